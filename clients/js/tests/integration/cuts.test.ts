/** Connections that break, a real node, and its history: nothing is missed and nothing comes twice. */

import { afterEach, beforeEach, expect, it, vi } from "vitest";
import type { Gap, Message, StompedeClient } from "../../src/index.js";
import { client, Wire } from "./wire.js";

const MESSAGES = 400;
const CUTS = 25;
const AHEAD = 300; // well within the history, or a gap would be right

let wire: Wire;
let speaker: StompedeClient;
let listener: StompedeClient;

beforeEach(async () => {
  wire = new Wire();
  speaker = client();
  listener = client({}, await wire.open());
  await Promise.all([speaker.open(), listener.open()]);
});

afterEach(async () => {
  await Promise.all([speaker.close(), listener.close()]);
  await wire.close();
});

/** Cuts the listener's connection, lets messages pass meanwhile, and waits until it is back. */
async function interrupted(meanwhile: () => Promise<unknown>): Promise<void> {
  const { connects } = listener.statistics();
  wire.life = () => 0;
  wire.cut();
  await vi.waitUntil(() => listener.state !== "connected");
  await meanwhile();
  wire.life = () => Infinity;
  await vi.waitUntil(() => listener.statistics().connects > connects, { timeout: 10_000 });
}

it("a connection cut at random bytes loses no message, repeats none and swaps none", async () => {
  const numbers: number[] = [];
  const gaps: Gap[] = [];
  const onMessage = (message: Message<{ number: number }>): void => void numbers.push(message.body.number);
  await listener.subscribe("/topic/kept/cuts", onMessage, { onGap: (gap) => gaps.push(gap) }).ready;
  wire.life = () => 1 + Math.floor(Math.random() * 4000);
  wire.cut();
  let number = 0;
  while (number < MESSAGES || wire.cuts < CUTS) {
    await speaker.send("/topic/kept/cuts", { number: number++ });
    await vi.waitUntil(() => number - numbers.length < AHEAD, { timeout: 20_000, interval: 1 });
  }
  wire.life = () => Infinity;
  wire.cut();
  await vi.waitUntil(() => numbers.at(-1) === number - 1, { timeout: 20_000 });
  expect(numbers).toEqual(Array.from({ length: number }, (_, index) => index));
  expect(gaps).toEqual([]);
});

it("what is acknowledged is worked off, each of it, over a connection cut at random bytes", async () => {
  const done = new Set<number>();
  const gaps: Gap[] = [];
  const work = (message: Message<{ number: number }>): void => {
    if (message.headers["redelivered"] !== "true" && Math.random() < 0.1) return message.nack();
    message.ack();
    done.add(message.body.number);
  };
  const headers = { ack: "client-individual", "prefetch-count": "8" };
  await listener.subscribe("/topic/kept/worked", work, { headers, onGap: (gap) => gaps.push(gap) }).ready;
  wire.life = () => 1 + Math.floor(Math.random() * 4000);
  wire.cut();
  let number = 0;
  while (number < MESSAGES || wire.cuts < CUTS) {
    await speaker.send("/topic/kept/worked", { number: number++ });
    await vi.waitUntil(() => number - done.size < AHEAD, { timeout: 20_000, interval: 1 });
  }
  wire.life = () => Infinity;
  wire.cut();
  await vi.waitUntil(() => done.size === number, { timeout: 20_000 });
  expect(gaps).toEqual([]);
});

it("messages that were published meanwhile come first, and say that nothing is missing", async () => {
  const stream = listener.messages<number>("/topic/kept/meanwhile");
  await stream.ready;
  await speaker.send("/topic/kept/meanwhile", 0);
  await stream.next();
  await interrupted(() => Promise.all([1, 2, 3].map((number) => speaker.send("/topic/kept/meanwhile", number))));
  await speaker.send("/topic/kept/meanwhile", 4);
  const got = [];
  while (got.length < 4) got.push((await stream.next()).value as Message<number>);
  expect(got.map((message) => message.body)).toEqual([1, 2, 3, 4]);
  expect(got.map((message) => message.recovered)).toEqual([true, undefined, undefined, undefined]);
});

it("more than the history holds is a gap, and none of it comes", async () => {
  const gaps: Gap[] = [];
  const bodies: unknown[] = [];
  await listener.subscribe("/topic/short/x", (message) => bodies.push(message.body), { onGap: (gap) => gaps.push(gap) }).ready;
  await speaker.send("/topic/short/x", 0);
  await vi.waitUntil(() => bodies.length === 1);
  await interrupted(async () => {
    for (const number of [1, 2, 3, 4]) await speaker.send("/topic/short/x", number);
  });
  await speaker.send("/topic/short/x", 5);
  await vi.waitUntil(() => bodies.length === 2);
  expect(bodies).toEqual([0, 5]);
  expect(gaps).toEqual([{ destination: "/topic/short/x", lastMessageId: expect.stringMatching(/^[0-9a-z]+-[0-9]+$/), reason: "too-old" }]);
});

it("a destination without history says that messages may be missing", async () => {
  const onGap = vi.fn();
  await listener.subscribe("/topic/any/x", () => undefined, { onGap }).ready;
  await interrupted(() => speaker.send("/topic/any/x", 1));
  expect(onGap).toHaveBeenCalledWith({ destination: "/topic/any/x", lastMessageId: undefined, reason: "no-history" });
});
