import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { ClientOptions, StompedeClient } from "../src/index.js";
import { mayFollow, moveFrom } from "../src/moves.js";
import { FakeServer } from "./fake.js";

let server: FakeServer;
let client: StompedeClient | undefined;
const HOME = "ws://server/stomp";
const THERE = "ws://there/stomp";

async function opened(options: Partial<ClientOptions> = {}): Promise<StompedeClient> {
  client = server.client(options);
  await client.open();
  return client;
}

/** Ends the newest connection as a drained node does. */
function move(headers: Record<string, string>): void {
  server.peer.says("ERROR", { reconnect: "true", "disconnect-reason": "moved", message: "go on at another one", ...headers });
  server.peer.close(4005, "moved");
}

async function connections(count: number): Promise<string[]> {
  await vi.waitUntil(() => server.peers.length === count && client?.state === "connected");
  return server.peers.map((peer) => peer.url);
}

beforeEach(() => {
  server = new FakeServer();
});

afterEach(async () => {
  vi.useRealTimers();
  vi.restoreAllMocks();
  await client?.close();
});

describe("a client that is moved", () => {
  it("goes where the server says, with its subscriptions, and back when that connection is lost", async () => {
    const client = await opened();
    const bodies: unknown[] = [];
    await client.subscribe("/topic/a", (message) => bodies.push(message.body)).ready;
    move({ "reconnect-url": THERE, "reconnect-delay-ms": "0" });
    expect(await connections(2)).toEqual([HOME, THERE]);
    server.peer.message("/topic/a", "m", "1");
    expect(bodies).toEqual([1]);
    server.peer.cut();
    expect(await connections(3)).toEqual([HOME, THERE, HOME]);
  });

  it("goes back when nobody listens there", async () => {
    await opened();
    server.down = true;
    move({ "reconnect-url": THERE });
    await vi.waitUntil(() => server.peers.length >= 2);
    server.down = false;
    await vi.waitUntil(() => client?.state === "connected");
    expect(server.peers.slice(0, 3).map((peer) => peer.url)).toEqual([HOME, THERE, HOME]);
  });

  it("goes back when it is refused for good there", async () => {
    await opened();
    server.rule = (peer, frame) => {
      if (frame.command !== "CONNECT" || peer.url !== THERE) return false;
      peer.says("ERROR", { reconnect: "false", "disconnect-reason": "login-refused" });
      peer.close(4501);
      return true;
    };
    move({ "reconnect-url": THERE });
    expect(await connections(3)).toEqual([HOME, THERE, HOME]);
  });

  it("waits as long as the server says, and adds no chance", async () => {
    vi.useFakeTimers();
    const random = vi.spyOn(Math, "random");
    await opened({ reconnect: {} });
    move({ "reconnect-url": THERE, "reconnect-delay-ms": "700" });
    await vi.advanceTimersByTimeAsync(690);
    expect(server.peers.length).toBe(1);
    await vi.advanceTimersByTimeAsync(20);
    expect(server.peers.map((peer) => peer.url)).toEqual([HOME, THERE]);
    expect(random).not.toHaveBeenCalled();
  });

  it("waits by its own back-off when it is sent round at once", async () => {
    vi.useFakeTimers();
    vi.spyOn(Math, "random").mockReturnValue(0.5);
    await opened({ reconnect: { initialMs: 1000, factor: 1 } });
    for (const url of [THERE, HOME]) {
      move({ "reconnect-url": url });
      await vi.advanceTimersByTimeAsync(10);
    }
    expect(server.peers.map((peer) => peer.url)).toEqual([HOME, THERE]);
    await vi.advanceTimersByTimeAsync(500);
    expect(server.peers.map((peer) => peer.url)).toEqual([HOME, THERE, HOME]);
  });

  it("keeps to its URL where it is told to, or where the other one is of no use", async () => {
    await opened({ followMoves: false });
    move({ "reconnect-url": THERE });
    expect(await connections(2)).toEqual([HOME, HOME]);
    await client?.close();
    server = new FakeServer();
    await opened({ url: "wss://server/stomp" });
    for (const url of [THERE, "http://there", "ws://"]) move({ "reconnect-url": url });
    expect(await connections(2)).toEqual(["wss://server/stomp", "wss://server/stomp"]);
  });
});

describe("what an ERROR frame says of a move", () => {
  it.each([
    [{}, undefined],
    [{ "reconnect-url": "" }, undefined],
    [{ "reconnect-url": THERE }, { url: THERE, delayMs: 0 }],
    [{ "reconnect-delay-ms": "250" }, { url: undefined, delayMs: 250 }],
    [{ "reconnect-delay-ms": "3600000" }, { url: undefined, delayMs: 60_000 }],
    [{ "reconnect-delay-ms": "-1" }, undefined],
  ])("is read from %j", (headers, expected) => {
    expect(moveFrom(headers as Record<string, string>)).toEqual(expected);
  });

  it.each([
    [THERE, HOME, true],
    ["wss://there", HOME, true],
    ["wss://there", "wss://server", true],
    [THERE, "wss://server", false],
    [THERE, "https://server", false],
    [THERE, "/stomp", false],
    ["http://there", HOME, false],
    ["ws://", HOME, false],
  ])("may lead to %s from %s: %s", (url, at, may) => {
    expect(mayFollow(url, at)).toBe(may);
  });
});
