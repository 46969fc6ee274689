import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { ClientOptions, StompedeClient } from "../src/index.js";
import { FakeServer, type Frame } from "./fake.js";

let server: FakeServer;
let valid = 1;
const clients: StompedeClient[] = [];

function expired(frame: Frame): Record<string, string> {
  const { receipt, "client-request-code": code } = frame.headers;
  return { ...(receipt !== undefined && { "receipt-id": receipt }), ...(code !== undefined && { "client-request-code": code }) };
}

async function opened(options: Partial<ClientOptions> = {}): Promise<StompedeClient> {
  const client = server.client({ token: () => `t${valid}`, ...options });
  clients.push(client);
  await client.open();
  return client;
}

beforeEach(() => {
  valid = 1;
  server = new FakeServer();
  // A session counts as long as the newest token that it proved itself with.
  const proofs = new Map<unknown, string>();
  server.rule = (peer, frame) => {
    const { Authorization, destination = "" } = frame.headers;
    if (Authorization !== undefined) proofs.set(peer, Authorization);
    if (proofs.get(peer) === `Bearer t${valid}` || (frame.command !== "SEND" && frame.command !== "SUBSCRIBE")) return false;
    peer.softError({ code: "token-expired", detail: "expired", destination }, expired(frame));
    return true;
  };
});

afterEach(async () => {
  vi.useRealTimers();
  await Promise.all(clients.splice(0).map((client) => client.close()));
});

describe("a token", () => {
  it("stands on CONNECT and is fetched for each connection", async () => {
    const client = await opened({ token: async () => `t${valid}` });
    expect(server.peer.frames[0]?.headers["Authorization"]).toBe("Bearer t1");
    valid = 2;
    server.peer.cut();
    await vi.waitUntil(() => client.statistics().connects === 2);
    expect(server.peer.frames[0]?.headers["Authorization"]).toBe("Bearer t2");
  });

  it.each(["", "a b", "a\nb", "ü"])("that is none (%j) is not sent", async (token) => {
    const client = server.client({ token: () => token, reconnect: false });
    await expect(client.open()).rejects.toMatchObject({ code: "token-missing" });
    expect(server.peers).toEqual([]);
  });

  it("that cannot be had at the moment is asked for again", async () => {
    const token = vi.fn(() => "t1").mockImplementationOnce(() => {
      throw new Error("no network");
    });
    const client = await opened({ token });
    expect([token.mock.calls.length, client.state]).toEqual([2, "connected"]);
  });
});

describe("an expired token", () => {
  it("is renewed, and what it stopped is sent again, in order", async () => {
    const token = vi.fn(() => `t${valid}`);
    const client = await opened({ token });
    await client.send("/topic/x", "1");
    valid = 2;
    await Promise.all(["2", "3", "4"].map((body) => client.send("/topic/x", body)));
    expect(token).toHaveBeenCalledTimes(2);
    expect(server.peer.sent("SEND").map((frame) => frame.body).slice(-3)).toEqual(["2", "3", "4"]);
    expect(server.peers.length).toBe(1);
    valid = 3;
    await client.send("/topic/x", "5");
    expect(server.peer.subscription("/session/queue/request-error")).toBe("errors");
  });

  it("loses no message that was sent without a receipt, nor its place", async () => {
    const client = await opened();
    const bodies = (): string[] => server.peer.sent("SEND").map((frame) => frame.body);
    await client.send("/topic/x", "1", { receipt: false });
    valid = 2;
    await Promise.all([
      client.send("/topic/x", "2", { receipt: false }),
      client.send("/topic/x", "3"),
      client.send("/topic/x", "4", { receipt: false, headers: { "client-request-code": "my own" } }),
    ]);
    await vi.waitUntil(() => bodies().length === 7);
    expect(bodies()).toEqual(["1", "2", "3", "4", "2", "3", "4"]);
    expect(server.peer.sent("SEND").at(-1)?.headers["client-request-code"]).toBe("my own");
    expect(server.errors).toEqual([]);
    await client.send("/topic/x", "5");
    expect(bodies().length).toBe(8);
  });

  it("takes no refused message for a subscription of the same destination", async () => {
    const client = await opened();
    const onGap = vi.fn();
    await client.subscribe("/topic/x", () => undefined, { onGap }).ready;
    valid = 2;
    await client.send("/topic/x", "1", { receipt: false });
    await vi.waitUntil(() => server.peer.sent("SEND").length === 2);
    expect([onGap.mock.calls.length, server.peer.subscribes("/topic/x").length]).toEqual([0, 1]);
  });

  it("is told to onError of messages without a receipt when there is no other", async () => {
    const client = await opened({ token: () => "t1" });
    valid = 2;
    await client.send("/topic/x", "1", { receipt: false });
    await vi.waitUntil(() => server.errors.length === 1);
    expect(server.errors[0]).toMatchObject({ code: "token-expired", destination: "/topic/x" });
  });

  it("lets messages without a receipt go out on the next connection where the present one ends", async () => {
    const client = await opened();
    const rule = server.rule;
    server.rule = (peer, frame) => (frame.headers["Authorization"] === "Bearer t2" && frame.command === "SUBSCRIBE") || rule(peer, frame);
    valid = 2;
    await client.send("/topic/x", "1", { receipt: false });
    await vi.waitUntil(() => server.peer.subscribes("/session/queue/request-error").length === 2);
    server.peer.cut();
    await vi.waitUntil(() => client.statistics().connects === 2 && server.peer.sent("SEND").length === 1);
  });

  it("remembers as many messages without a receipt as may be in flight, and none that the server has handled", async () => {
    const client = await opened({ maxInFlight: 2 });
    for (const body of ["1", "2"]) await client.send("/topic/x", body, { receipt: false });
    await client.send("/topic/x", "3");
    const handled = server.peer.sent("SEND")[0]?.headers["client-request-code"] ?? "";
    server.peer.softError({ code: "too-large", detail: "late" }, { "client-request-code": handled });
    valid = 2;
    for (const body of ["4", "5", "6"]) void client.send("/topic/x", body, { receipt: false });
    await vi.waitUntil(() => server.peer.sent("SEND").length === 8);
    expect(server.peer.sent("SEND").map((frame) => frame.body).slice(-2)).toEqual(["5", "6"]);
    expect(server.errors.map((error) => error.code)).toEqual(["too-large", "token-expired"]);
  });

  it("does not refuse a subscription for good", async () => {
    const client = await opened();
    valid = 2;
    await client.subscribe("/topic/x", () => undefined).ready;
    expect(server.peer.subscribes("/topic/x").length).toBe(2);
  });

  it("rejects what it stopped when there is no other", async () => {
    const client = await opened({ token: () => "t1" });
    valid = 2;
    await expect(client.send("/topic/x", "1")).rejects.toMatchObject({ code: "token-expired" });
    await expect(client.request("/app/x", "1")).rejects.toMatchObject({ code: "token-expired" });
  });

  it("rejects what it stopped when no other can be had, and works again when one can", async () => {
    let up = true;
    const client = await opened({ token: () => (up ? `t${valid}` : Promise.reject(new Error("no network"))) });
    valid = 2;
    up = false;
    await expect(client.send("/topic/x", "1")).rejects.toMatchObject({ code: "token-missing" });
    up = true;
    await client.send("/topic/x", "2");
  });

  it("ends the connection when the server does not answer the new one", async () => {
    vi.useFakeTimers();
    const client = await opened({ connectTimeoutMs: 50 });
    const rule = server.rule;
    server.rule = (peer, frame) => (frame.headers["Authorization"] === "Bearer t2" && frame.command === "SUBSCRIBE") || rule(peer, frame);
    valid = 2;
    const sent = client.send("/topic/x", "1");
    await vi.advanceTimersByTimeAsync(60);
    await sent; // refused, so nothing was done with it: it goes out on the next connection
    expect(server.peers.length).toBe(2);
  });
});

describe("a listener whose token expired", () => {
  it("is renewed without a frame of its own, and gets what it missed", async () => {
    server.subscribed = (frame) => ({ position: "e1-1", ...(frame.headers["recover-from"] && { recovered: "true" }) });
    const client = await opened();
    const ids: string[] = [];
    const onGap = vi.fn();
    await client.subscribe("/topic/x", (message) => ids.push(message.messageId), { onGap }).ready;
    server.peer.message("/topic/x", "e1-2");
    valid = 2;
    server.peer.softError({ code: "token-expired", detail: "listen no more", destination: "/topic/x" });
    server.peer.message("/topic/x", "e1-5"); // taken up at once by the new token, before the gap is filled
    await vi.waitUntil(() => server.peer.subscribes("/topic/x").length === 2);
    expect(server.peer.subscribes("/topic/x")[1]).toMatchObject({ "recover-from": "e1-2" });
    for (const offset of [3, 4, 5, 6]) server.peer.message("/topic/x", `e1-${offset}`);
    expect(ids).toEqual(["e1-2", "e1-3", "e1-4", "e1-5", "e1-6"]);
    expect(onGap).not.toHaveBeenCalled();
  });

  it("is told of the gap where there is no history", async () => {
    const client = await opened();
    const onGap = vi.fn();
    await client.subscribe("/topic/x", () => undefined, { onGap }).ready;
    valid = 2;
    server.peer.softError({ code: "token-expired", detail: "listen no more", destination: "/topic/x" });
    expect(onGap).toHaveBeenCalledOnce();
    await vi.waitUntil(() => server.peer.sent("UNSUBSCRIBE").length === 1);
    await client.send("/topic/x");
  });

  it.each([{ position: "e1-1" }, {}])("is told when the server does not take it up again (%j)", async (receipt) => {
    server.subscribed = (frame) => (frame.headers["destination"] === "/topic/x" ? receipt : {});
    const onError = vi.fn();
    const client = await opened({ onError });
    const onEnd = vi.fn();
    await client.subscribe("/topic/x", () => undefined, { onEnd }).ready;
    const stream = client.messages("/topic/x");
    await stream.ready;
    const [one, other] = server.peer.subscribes("/topic/x").map((headers) => headers["id"] ?? "");
    const refused = { code: "forbidden", detail: "no longer", destination: "/topic/x" };
    for (const id of [one, other, one]) server.peer.softError(refused, { "ended-subscription": id ?? "" });
    expect(onEnd).toHaveBeenCalledExactlyOnceWith(expect.objectContaining({ code: "forbidden", destination: "/topic/x" }));
    await expect(stream.next()).rejects.toMatchObject({ code: "forbidden" });
    expect(onError).not.toHaveBeenCalled();
    server.peer.cut();
    await vi.waitUntil(() => client.statistics().connects === 2);
    expect(server.peer.subscribes("/topic/x")).toEqual([]);
  });

  it("asks again for a token that could not be had", async () => {
    vi.useFakeTimers();
    let up = true;
    server.subscribed = () => ({ position: "e1-1" });
    const client = await opened({ token: () => (up ? `t${valid}` : Promise.reject(new Error("no network"))), onError: () => undefined });
    await client.subscribe("/topic/x", () => undefined).ready;
    valid = 2;
    up = false;
    server.peer.softError({ code: "token-expired", detail: "listen no more", destination: "/topic/x" });
    await vi.advanceTimersByTimeAsync(500);
    up = true;
    await vi.advanceTimersByTimeAsync(2000);
    expect(server.peer.subscribes("/topic/x").length).toBe(2);
  });
});
