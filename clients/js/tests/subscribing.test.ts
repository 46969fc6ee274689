import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { ClientOptions, Gap, Message, StompedeClient } from "../src/index.js";
import { FakeServer } from "./fake.js";

const NEWS = "/topic/news";
let server: FakeServer;
const clients: StompedeClient[] = [];

async function opened(options: Partial<ClientOptions> = {}): Promise<StompedeClient> {
  const client = server.client(options);
  clients.push(client);
  await client.open();
  return client;
}

/** Cuts the connection and waits for the next one. */
async function reconnect(client: StompedeClient): Promise<void> {
  const before = client.statistics().connects;
  server.peer.cut();
  await vi.waitUntil(() => client.statistics().connects > before);
}

function heard(client: StompedeClient): { ids: string[]; recovered: (boolean | undefined)[]; gaps: Gap[]; ready: Promise<void> } {
  const ids: string[] = [];
  const recovered: (boolean | undefined)[] = [];
  const gaps: Gap[] = [];
  const onMessage = (message: Message<unknown>): void => {
    ids.push(message.messageId);
    recovered.push(message.recovered);
  };
  const { ready } = client.subscribe(NEWS, onMessage, { onGap: (gap) => gaps.push(gap), headers: { "history-last": "5" } });
  return { ids, recovered, gaps, ready };
}

/** Subscriptions to the news are refused from now on. */
function refuse(): void {
  server.rule = (peer, frame) => {
    if (frame.headers["destination"] !== NEWS) return false;
    peer.softError({ code: "forbidden", detail: "no" }, { "receipt-id": frame.headers["receipt"] ?? "" });
    return true;
  };
}

beforeEach(() => {
  server = new FakeServer();
});

afterEach(async () => {
  await Promise.all(clients.splice(0).map((client) => client.close()));
});

describe("a subscription", () => {
  it("gives messages with decoded bodies", async () => {
    const client = await opened();
    const onMessage = vi.fn();
    await client.subscribe<{ text: string }>(NEWS, onMessage).ready;
    server.peer.message(NEWS, "m-1", '{"text":"soup"}', { colour: "red" });
    const facts = { body: { text: "soup" }, messageId: "m-1", destination: NEWS, recovered: undefined };
    expect(onMessage).toHaveBeenCalledWith(expect.objectContaining(facts));
    expect(onMessage.mock.calls[0]?.[0].headers.colour).toBe("red");
  });

  it("tells of a body that is no JSON, and goes on", async () => {
    const onError = vi.fn();
    const client = await opened({ onError });
    const texts: unknown[] = [];
    await client.subscribe(NEWS, (message) => texts.push(message.body)).ready;
    server.peer.message(NEWS, "m-1", "{");
    server.peer.message(NEWS, "m-2", "1");
    expect(texts).toEqual([1]);
    expect(onError).toHaveBeenCalledWith(expect.objectContaining({ code: "invalid-body", destination: NEWS }));
  });

  it("can be refused", async () => {
    refuse();
    const client = await opened();
    const onEnd = vi.fn();
    await expect(client.subscribe(NEWS, () => undefined, { onEnd }).ready).rejects.toMatchObject({ code: "forbidden" });
    expect(onEnd).toHaveBeenCalledOnce();
    await reconnect(client);
    expect(server.peer.subscribes(NEWS)).toEqual([]);
  });

  it("can be left though the server has gone deaf", async () => {
    const client = await opened({ closeTimeoutMs: 5 });
    const subscription = client.subscribe(NEWS, () => undefined);
    await subscription.ready;
    server.rule = () => true;
    await subscription.unsubscribe();
    expect(client.statistics().inFlight).toBe(0);
  });

  it("is over when it is left", async () => {
    const client = await opened();
    const onMessage = vi.fn();
    const subscription = client.subscribe(NEWS, onMessage);
    await subscription.ready;
    await subscription.unsubscribe();
    expect(server.peer.sent("UNSUBSCRIBE").length).toBe(1);
    await reconnect(client);
    expect(server.peer.subscribes(NEWS)).toEqual([]);
  });
});

describe("after an interruption", () => {
  it("goes on behind the last message where ids are positions", async () => {
    server.subscribed = () => ({ position: "e1-3" });
    const client = await opened();
    const seen = heard(client);
    await seen.ready;
    expect(server.peer.subscribes(NEWS)[0]).toMatchObject({ "history-last": "5" });
    server.peer.message(NEWS, "e1-4");
    server.peer.message(NEWS, "e1-5");
    server.subscribed = (frame) => (frame.headers["recover-from"] ? { position: "e1-7", recovered: "true" } : {});
    await reconnect(client);
    const [again] = server.peer.subscribes(NEWS);
    expect(again).toMatchObject({ "recover-from": "e1-5" });
    expect(again).not.toHaveProperty("history-last");
    for (const id of ["e1-6", "e1-7", "e1-7", "e1-8"]) server.peer.message(NEWS, id);
    expect(seen.ids).toEqual(["e1-4", "e1-5", "e1-6", "e1-7", "e1-8"]);
    expect(seen.recovered).toEqual([undefined, undefined, true, undefined, undefined]);
    expect(seen.gaps).toEqual([]);
    expect(client.statistics()).toMatchObject({ received: 5, doubles: 1 });
  });

  it("takes what was missed before the RECEIPT as well as behind it", async () => {
    server.subscribed = () => ({ position: "e1-3" });
    const client = await opened();
    const seen = heard(client);
    await seen.ready;
    server.peer.message(NEWS, "e1-4");
    server.rule = (peer, frame) => {
      if (frame.headers["recover-from"] !== undefined) for (const id of ["e1-4", "e1-5", "e1-6"]) peer.message(NEWS, id);
    };
    server.subscribed = () => ({ position: "e1-6", recovered: "true" });
    await reconnect(client);
    expect(seen.ids).toEqual(["e1-4", "e1-5", "e1-6"]);
    expect(seen.gaps).toEqual([]);
  });

  it("tells of a gap that the history could not fill, once, and goes on from there", async () => {
    server.subscribed = () => ({ position: "e1-3" });
    const client = await opened();
    const seen = heard(client);
    await seen.ready;
    server.peer.message(NEWS, "e1-4");
    server.subscribed = () => ({ position: "e2-1", recovered: "false" });
    await reconnect(client);
    expect(seen.gaps).toEqual([{ destination: NEWS, lastMessageId: "e1-4", reason: "too-old" }]);
    server.peer.message(NEWS, "e2-2");
    server.peer.message(NEWS, "e2-3");
    expect(seen.recovered).toEqual([undefined, false, undefined]);
    server.subscribed = () => ({ position: "e2-3", recovered: "true" });
    await reconnect(client);
    expect(server.peer.subscribes(NEWS)[0]).toMatchObject({ "recover-from": "e2-3" });
    expect(seen.gaps.length).toBe(1);
  });

  it("tells of a gap where the destination has no history, and takes no id for a position", async () => {
    const client = await opened();
    const seen = heard(client);
    await seen.ready;
    server.peer.message(NEWS, "e1-4");
    await reconnect(client);
    expect(server.peer.subscribes(NEWS)[0]).not.toHaveProperty("recover-from");
    expect(seen.gaps).toEqual([{ destination: NEWS, lastMessageId: "e1-4", reason: "no-history" }]);
    server.peer.message(NEWS, "e1-4");
    expect(seen.ids).toEqual(["e1-4", "e1-4"]);
  });

  it("goes on behind what was acknowledged where messages are: one may come again, and the last one may be open", async () => {
    server.subscribed = (frame) => ({ position: "e1-3", ...(frame.headers["recover-from"] ? { recovered: "true" } : {}) });
    const client = await opened();
    const came: Message<unknown>[] = [];
    const gaps: Gap[] = [];
    const options = { headers: { ack: "client-individual" }, onGap: (gap: Gap) => gaps.push(gap) };
    await client.subscribe(NEWS, (message) => came.push(message), options).ready;
    for (const number of [4, 5, 6, 7]) server.peer.message(NEWS, `e1-${number}`, "1", { ack: `a${number}` });
    const [four, five, six, seven] = came;
    four?.ack();
    four?.ack();
    six?.ack();
    five?.nack();
    server.peer.message(NEWS, "e1-5", "1", { ack: "a5again" });
    came.at(-1)?.nack();
    seven?.ack();
    const first = server.peer;
    expect(first.sent("ACK").map((frame) => frame.headers["id"])).toEqual(["a4", "a6", "a7"]);
    await reconnect(client);
    expect(server.peer.subscribes(NEWS)[0]).toMatchObject({ "recover-from": "e1-4" });
    for (const number of [5, 6]) server.peer.message(NEWS, `e1-${number}`, "1", { ack: `b${number}` });
    expect(came.map((message) => message.messageId)).toEqual(["e1-4", "e1-5", "e1-6", "e1-7", "e1-5", "e1-5", "e1-6"]);
    seven?.nack(); // of the connection that is lost
    came.at(-1)?.ack();
    expect(server.peer.sent("NACK")).toEqual([]);
    expect(server.peer.sent("ACK").map((frame) => frame.headers["id"])).toEqual(["b6"]);
    expect(gaps).toEqual([]);
  });

  it("gives a stream nothing of what comes again twice", async () => {
    server.subscribed = (frame) => ({ position: "e1-3", ...(frame.headers["recover-from"] ? { recovered: "true" } : {}) });
    const client = await opened();
    const stream = client.messages(NEWS, { headers: { ack: "client", "prefetch-count": "4" } });
    await stream.ready;
    for (const number of [4, 5, 6, 7]) server.peer.message(NEWS, `e1-${number}`, "1", { ack: `a${number}` });
    await stream.next();
    const five = await stream.next();
    five.value?.ack(); // and so the one before
    await reconnect(client);
    expect(server.peer.subscribes(NEWS)[0]).toMatchObject({ "recover-from": "e1-5", "prefetch-count": "4" });
    for (const number of [6, 7]) server.peer.message(NEWS, `e1-${number}`, "1", { ack: `b${number}` });
    const ids = [await stream.next(), await stream.next()].map((one) => one.value?.messageId);
    expect(ids).toEqual(["e1-6", "e1-7"]);
  });

  it("has no gap before it began", async () => {
    server.down = true;
    const client = server.client();
    clients.push(client);
    const seen = heard(client);
    const open = client.open();
    await vi.waitUntil(() => server.peers.length >= 2);
    server.down = false;
    await open;
    expect(seen.gaps).toEqual([]);
  });

  it("subscribes before it sends what waited", async () => {
    const client = await opened();
    await heard(client).ready;
    server.rule = (_, frame) => frame.headers["destination"] === NEWS; // no RECEIPT yet
    server.peer.cut();
    await vi.waitUntil(() => client.state !== "connected");
    const sent = client.send("/topic/x", "1");
    await vi.waitUntil(() => server.peer.subscribes(NEWS).length === 1);
    expect(server.peer.sent("SEND")).toEqual([]);
    server.rule = () => false;
    for (const frame of server.peer.sent("SUBSCRIBE")) if (frame.headers["destination"] === NEWS) server.serve(server.peer, frame);
    await sent;
  });
});

describe("a stream", () => {
  it("gives messages in order until the loop is left", async () => {
    const client = await opened();
    const stream = client.messages<number>(NEWS);
    await stream.ready;
    for (const number of [1, 2, 3]) server.peer.message(NEWS, `m-${number}`, String(number));
    const numbers: number[] = [];
    for await (const message of stream) {
      numbers.push(message.body);
      if (message.body === 3) break;
    }
    expect(numbers).toEqual([1, 2, 3]);
    expect(server.peer.sent("UNSUBSCRIBE").length).toBe(1);
    expect(await stream.next()).toEqual({ value: undefined, done: true });
  });

  it("fails, behind what is queued, when messages come faster than they are taken", async () => {
    const client = await opened();
    const stream = client.messages<number>(NEWS, { maxQueued: 1 });
    await stream.ready;
    for (const number of [1, 2]) server.peer.message(NEWS, `m-${number}`, String(number));
    expect((await stream.next()).value?.body).toBe(1);
    await expect(stream.next()).rejects.toMatchObject({ code: "slow-consumer" });
    expect(server.peer.sent("UNSUBSCRIBE").length).toBe(1);
  });

  it.each([1, 2])("drops the oldest of %i where that is the policy, but not what was said of a gap", async (maxQueued) => {
    const client = await opened();
    const stream = client.messages<number>(NEWS, { maxQueued, overflow: "drop-oldest" });
    await stream.ready;
    server.peer.message(NEWS, "m-0", "0");
    await stream.next();
    await reconnect(client);
    for (const number of [1, 2, 3]) server.peer.message(NEWS, `m-${number}`, String(number));
    const first = (await stream.next()).value;
    expect(first).toMatchObject({ body: 4 - maxQueued, recovered: false });
    expect(stream.dropped).toBe(3 - maxQueued);
  });

  it("is refused like a subscription", async () => {
    refuse();
    const client = await opened();
    await expect(client.messages(NEWS).next()).rejects.toMatchObject({ code: "forbidden" });
  });
});
