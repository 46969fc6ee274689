import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { ClientOptions, ClientState, StompedeClient, StompedeError } from "../src/index.js";
import { FakeServer } from "./fake.js";

let server: FakeServer;
const clients: StompedeClient[] = [];

function make(options: Partial<ClientOptions> = {}): StompedeClient {
  const client = server.client(options);
  clients.push(client);
  return client;
}

async function opened(options: Partial<ClientOptions> = {}): Promise<StompedeClient> {
  const client = make(options);
  await client.open();
  return client;
}

beforeEach(() => {
  server = new FakeServer();
});

afterEach(async () => {
  vi.useRealTimers();
  await Promise.all(clients.splice(0).map((client) => client.close()));
});

describe("connecting", () => {
  it("subscribes to its errors before all else", async () => {
    const client = make();
    client.subscribe("/topic/a", () => undefined);
    await client.open();
    const destinations = server.peer.sent("SUBSCRIBE").map((frame) => frame.headers["destination"]);
    expect(destinations).toEqual(["/session/queue/request-error", "/topic/a"]);
    expect([client.state, client.sessionId]).toEqual(["connected", "s1"]);
  });

  it("tries again until the server is there", async () => {
    server.down = true;
    const states: ClientState[] = [];
    const client = make({ onState: (state) => states.push(state) });
    const open = client.open();
    await vi.waitUntil(() => server.peers.length >= 3);
    server.down = false;
    await open;
    expect(states.slice(0, 3)).toEqual(["connecting", "waiting", "connecting"]);
  });

  it("gives up after the attempts that it was given", async () => {
    server.down = true;
    const client = make({ reconnect: { initialMs: 0, attempts: 2 } });
    await expect(client.open()).rejects.toMatchObject({ name: "ConnectionEnded", code: "connection-lost" });
    expect(server.peers.length).toBe(3);
  });

  it("closes for good when a WebSocket cannot even be made", async () => {
    const factory = (): never => {
      throw new SyntaxError("no such scheme");
    };
    await expect(make({ webSocketFactory: factory }).open()).rejects.toMatchObject({ code: "websocket-failed", reconnect: false });
  });

  it("gives up an attempt that takes too long", async () => {
    vi.useFakeTimers();
    server.rule = (_, frame) => frame.command === "CONNECT" && server.peers.length === 1;
    const open = make({ connectTimeoutMs: 100 }).open();
    await vi.advanceTimersByTimeAsync(101);
    await open;
    expect(server.peers.length).toBe(2);
    expect(server.peers[0]?.readyState).toBe(3);
  });

  it("waits longer after each failure, and anew after a good connection", async () => {
    vi.useFakeTimers();
    vi.spyOn(Math, "random").mockReturnValue(0.999);
    const client = await opened({ reconnect: { initialMs: 1000, stableMs: 5000 } });
    for (const seconds of [1, 2, 4]) {
      const before = server.peers.length;
      server.peer.cut();
      await vi.advanceTimersByTimeAsync(seconds * 990);
      expect(server.peers.length).toBe(before);
      await vi.advanceTimersByTimeAsync(seconds * 10);
      expect(client.state).toBe("connected");
    }
    await vi.advanceTimersByTimeAsync(5000);
    server.peer.cut();
    await vi.advanceTimersByTimeAsync(1000);
    expect(client.state).toBe("connected");
    vi.mocked(Math.random).mockRestore();
  });
});

describe("a connection", () => {
  const beating = { heartbeatMs: { send: 1000, receive: 1000 } };

  beforeEach(() => {
    vi.useFakeTimers();
    server.rule = (peer, frame) => {
      if (frame.command !== "CONNECT") return false;
      peer.says("CONNECTED", { version: "1.2", "heart-beat": "1000,1000" });
      return true;
    };
  });

  it("that has gone silent is given up, without waiting for its close frame", async () => {
    const whys: (string | undefined)[] = [];
    const client = await opened({ ...beating, onState: (_, why) => whys.push(why?.code) });
    const [first] = server.peers;
    if (first !== undefined) first.close = () => undefined; // a dead peer answers no close frame
    await vi.advanceTimersByTimeAsync(3001);
    expect(whys).toContain("connection-lost");
    expect([server.peers.length, client.state]).toEqual([2, "connected"]);
  });

  it("that is only idle is kept by heart-beats", async () => {
    const client = await opened(beating);
    for (let second = 0; second < 10; second++) {
      await vi.advanceTimersByTimeAsync(1000);
      server.peer.onmessage?.({ data: "\n" });
    }
    expect([server.peers.length, client.state]).toEqual([1, "connected"]);
  });
});

describe("what users' functions throw", () => {
  it("costs no message and no connection, and is heard of", async () => {
    const client = await opened();
    const bodies: unknown[] = [];
    const onMessage = (message: { body: unknown }): void => {
      bodies.push(message.body);
      if (message.body === 1) throw new RangeError("not my day");
    };
    await client.subscribe("/topic/a", onMessage).ready;
    vi.useFakeTimers();
    for (const body of ["1", "2"]) server.peer.message("/topic/a", "m", body);
    expect(bodies).toEqual([1, 2]);
    expect(() => vi.runAllTimers()).toThrow("not my day");
    vi.useRealTimers();
    await client.send("/topic/a", 3);
  });
});

describe("what the server says at the end", () => {
  it("comes back when the ERROR frame says so", async () => {
    const client = await opened();
    server.peer.says("ERROR", { reconnect: "true", "disconnect-reason": "service-restart", message: "bye" });
    server.peer.close(1002);
    await vi.waitUntil(() => server.peers.length === 2 && client.state === "connected");
  });

  it("stays away when the ERROR frame says so", async () => {
    const whys: (StompedeError | undefined)[] = [];
    const client = await opened({ onState: (_, why) => whys.push(why) });
    server.peer.says("ERROR", { reconnect: "false", "disconnect-reason": "login-refused", message: "who are you" });
    server.peer.close(1012);
    await vi.waitUntil(() => client.state === "closed");
    expect(whys.at(-1)).toMatchObject({ code: "login-refused", detail: "who are you", closeCode: 1012 });
    await expect(client.send("/topic/x")).rejects.toMatchObject({ code: "login-refused" });
    expect(() => client.subscribe("/topic/x", () => undefined)).toThrow("login-refused");
    expect(server.peers.length).toBe(1);
  });

  it("ends streams and subscriptions with the reason", async () => {
    const client = await opened();
    const stream = client.messages("/topic/a");
    const onEnd = vi.fn();
    client.subscribe("/topic/b", () => undefined, { onEnd });
    const next = stream.next();
    server.peer.close(4500, "closed-by-server");
    await expect(next).rejects.toMatchObject({ code: "closed-by-server", reconnect: false });
    expect(onEnd).toHaveBeenCalledWith(expect.objectContaining({ code: "closed-by-server" }));
  });
});

describe("sending", () => {
  it("is done when the server has confirmed it", async () => {
    const client = await opened();
    await client.send("/topic/x", { a: 1 }, { headers: { colour: "red" } });
    const [frame] = server.peer.sent("SEND");
    expect(frame).toMatchObject({ body: '{"a":1}', headers: { "content-type": "application/json", colour: "red" } });
    expect(client.statistics()).toMatchObject({ sent: 1, inFlight: 0 });
  });

  it("waits, in order, where there is no connection", async () => {
    const client = make();
    const sent = ["1", "2", "3"].map((body) => client.send("/topic/x", body));
    expect(client.statistics().queued).toBe(3);
    await client.open();
    await Promise.all(sent);
    expect(server.peer.sent("SEND").map((frame) => frame.body)).toEqual(["1", "2", "3"]);
  });

  it("does not let more wait than it may", async () => {
    const client = make({ maxQueued: 1 });
    const first = client.send("/topic/x", "1");
    await expect(client.send("/topic/x", "2")).rejects.toMatchObject({ code: "limit-exceeded" });
    await client.open();
    await first;
  });

  it("keeps no more unconfirmed messages in flight than it may", async () => {
    server.rule = (_, frame) => frame.command === "SEND";
    const client = await opened({ maxInFlight: 2 });
    const sent = ["1", "2", "3"].map((body) => client.send("/topic/x", body));
    await vi.waitUntil(() => server.peer.sent("SEND").length === 2);
    expect(client.statistics()).toMatchObject({ inFlight: 2, queued: 1 });
    server.rule = () => false;
    for (const frame of server.peer.sent("SEND")) server.serve(server.peer, frame);
    await Promise.all(sent);
  });

  it("writes nothing into a socket that is full", async () => {
    const client = await opened();
    server.peer.bufferedAmount = 2 ** 21;
    const sent = client.send("/topic/x", "1");
    expect(client.statistics().queued).toBe(1);
    server.peer.bufferedAmount = 0;
    await sent;
  });

  it("knows nothing of a message whose connection broke, and does not repeat it", async () => {
    server.rule = (peer, frame) => frame.command === "SEND" && (peer.cut(), true);
    const client = await opened();
    await expect(client.send("/topic/x", "1")).rejects.toMatchObject({ name: "ConnectionEnded", code: "connection-lost" });
    server.rule = () => false;
    await client.send("/topic/x", "2");
    expect(server.peer.sent("SEND").map((frame) => frame.body)).toEqual(["2"]);
  });

  it("withdraws a message that nobody waits for any more", async () => {
    const client = make();
    await expect(client.send("/topic/x", "1", { timeoutMs: 5 })).rejects.toMatchObject({ code: "timeout" });
    await client.open();
    await client.send("/topic/x", "2");
    expect(server.peer.sent("SEND").map((frame) => frame.body)).toEqual(["2"]);
  });

  it("is rejected with the soft error that names its receipt", async () => {
    server.rule = (peer, frame) => {
      if (frame.command !== "SEND") return false;
      const body = { code: "forbidden", detail: "no", destination: "/topic/x", errorId: "id-1" };
      peer.softError(body, { "receipt-id": frame.headers["receipt"] ?? "" });
      return true;
    };
    const client = await opened();
    const refusal = { name: "StompedeError", code: "forbidden", detail: "no", errorId: "id-1", destination: "/topic/x" };
    await expect(client.send("/topic/x")).rejects.toMatchObject(refusal);
  });

  it("tells onError of soft errors that no call waits for", async () => {
    const onError = vi.fn();
    const client = await opened({ onError });
    await client.send("/topic/x", "1", { receipt: false });
    server.peer.softError({ code: "too-large", detail: "much" });
    expect(onError).toHaveBeenCalledWith(expect.objectContaining({ code: "too-large" }));
  });
});

describe("closing", () => {
  it("sends what waits, says goodbye, and ends streams", async () => {
    const client = await opened();
    const stream = client.messages("/topic/a");
    await stream.ready;
    const next = stream.next();
    const sent = client.send("/topic/x", "1");
    await client.close();
    await sent;
    expect(await next).toEqual({ value: undefined, done: true });
    expect(server.peer.frames.at(-1)?.command).toBe("DISCONNECT");
    await expect(client.send("/topic/x")).rejects.toMatchObject({ code: "closed" });
  });

  it("does not wait for a server that has gone deaf", async () => {
    const client = await opened({ closeTimeoutMs: 20 });
    server.rule = () => true;
    const sent = client.send("/topic/x", "1");
    sent.catch(() => undefined);
    await client.close();
    expect(client.state).toBe("closed");
    await expect(sent).rejects.toMatchObject({ name: "ConnectionEnded" });
  });

  it("ends a wait for the next attempt", async () => {
    server.down = true;
    const client = make({ reconnect: { initialMs: 60_000 } });
    const open = client.open();
    open.catch(() => undefined);
    await vi.waitUntil(() => client.state === "waiting");
    await client.close();
    await expect(open).rejects.toMatchObject({ code: "closed" });
  });

  it("closes a client that was never opened", async () => {
    const client = make();
    await client.close();
    expect(client.state).toBe("closed");
  });
});
