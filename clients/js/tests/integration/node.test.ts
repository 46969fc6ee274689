/** The client and a real node. */

import { afterEach, describe, expect, it, vi } from "vitest";
import type { ClientOptions, StompedeClient } from "../../src/index.js";
import { client, token } from "./wire.js";

interface Number_ {
  readonly number: number;
}

const clients: StompedeClient[] = [];

async function opened(options: Partial<ClientOptions> = {}): Promise<StompedeClient> {
  const made = client(options);
  clients.push(made);
  await made.open();
  return made;
}

afterEach(async () => {
  await Promise.all(clients.splice(0).map((one) => one.close()));
});

describe("with a node", () => {
  it("requests are answered", async () => {
    const asking = await opened();
    const answers = await Promise.all([1, 2, 3].map((number) => asking.request<Number_>("/app/double", { number })));
    expect(answers).toEqual([{ number: 2 }, { number: 4 }, { number: 6 }]);
  });

  it("soft errors say what, where, and under which id", async () => {
    const asking = await opened({ onError: () => undefined });
    const failure = { code: "no-such-number", detail: "there is no 7", destination: "/app/fail", errorId: expect.stringMatching(/.+/) };
    await expect(asking.request("/app/fail", { number: 7 })).rejects.toMatchObject(failure);
    await expect(asking.send("/app/double", { number: "x" })).rejects.toMatchObject({ code: "invalid-body" });
    await expect(asking.request("/app/quiet", { number: 1 })).rejects.toMatchObject({ code: "no-reply" });
    await expect(asking.subscribe("/topic/secret/x", () => undefined).ready).rejects.toMatchObject({ code: "login-required" });
  });

  it("messages arrive, text and bytes too", async () => {
    const speaker = await opened();
    const listener = await opened();
    const stream = listener.messages<string | Uint8Array>("/topic/any");
    await stream.ready;
    const bytes = new Uint8Array([0, 255, 10, 0]);
    await speaker.send("/topic/any", "soup: ü\n");
    await speaker.send("/topic/any", bytes);
    expect((await stream.next()).value?.body).toBe("soup: ü\n");
    expect((await stream.next()).value?.body).toEqual(bytes);
  });

  it("a token makes a member, and is renewed while messages go on", async () => {
    const fetched = vi.fn(() => token("cook", 1));
    const member = await opened({ token: fetched });
    expect(await member.request("/app/who")).toBe("cook");
    // It lives for a second; no message may be refused for that.
    while (fetched.mock.calls.length < 3) expect(await member.request("/app/who")).toBe("cook");
    expect(member.statistics().connects).toBe(1);
  });

  it("no message without a receipt is lost when the token expires", async () => {
    const fetched = vi.fn(() => token("cook", 1));
    const [member, guest] = [await opened({ token: fetched }), await opened()];
    const seen: number[] = [];
    await guest.subscribe<number>("/topic/unasked", ({ body }) => seen.push(body)).ready;
    let sent = 0;
    while (fetched.mock.calls.length < 3) {
      await member.send("/topic/unasked", ++sent, { receipt: false });
      await new Promise((resolve) => setTimeout(resolve, 1)); // of an unbounded stream only the latest are remembered
    }
    await vi.waitUntil(() => seen.length === sent);
    expect(seen).toEqual([...seen.keys()].map((index) => index + 1));
  });

  it("a listener's token is renewed, too, and what came meanwhile is not missed", async () => {
    let renew!: () => void;
    const allowed = new Promise<void>((resolve) => (renew = resolve));
    const fetched = vi.fn(async () => (fetched.mock.calls.length === 1 ? token("cook", 1) : allowed.then(() => token("cook"))));
    const listener = await opened({ token: fetched });
    const numbers: number[] = [];
    const onGap = vi.fn();
    await listener.subscribe<number>("/topic/secret/x", (message) => numbers.push(message.body), { onGap }).ready;
    const speaker = await opened({ token: () => token("waiter") });
    await speaker.send("/topic/secret/x", 1);
    await vi.waitUntil(() => fetched.mock.calls.length === 2, { timeout: 10_000 });
    for (const number of [2, 3]) await speaker.send("/topic/secret/x", number);
    renew();
    await vi.waitUntil(() => numbers.length >= 3, { timeout: 5_000 });
    await speaker.send("/topic/secret/x", 4);
    await vi.waitUntil(() => numbers.length >= 4);
    expect(numbers).toEqual([1, 2, 3, 4]);
    expect(onGap).not.toHaveBeenCalled();
    expect(listener.statistics().connects).toBe(1);
  });

  it("a queue's message that was given back comes again, and one that was acknowledged does not", async () => {
    const worker = await opened();
    const speaker = await opened();
    const stream = worker.messages<number>("/queue/jobs", { headers: { ack: "client-individual" } });
    await stream.ready;
    for (const number of [1, 2]) await speaker.send("/queue/jobs", number);
    const first = (await stream.next()).value;
    first?.nack();
    const seen = [first?.body];
    while (seen.length < 3) {
      const { value } = await stream.next();
      value?.ack();
      seen.push(value?.body);
    }
    expect(seen.toSorted()).toEqual([1, 1, 2]);
  });

  it("a refused login is final", async () => {
    const made = client({ token: () => "no.such.token" });
    clients.push(made);
    await expect(made.open()).rejects.toMatchObject({ name: "ConnectionEnded", code: "login-refused", closeCode: 4501, reconnect: false });
  });

  it("close leaves after the server has taken all", async () => {
    const speaker = await opened();
    const listener = await opened();
    const stream = listener.messages<number>("/topic/any");
    await stream.ready;
    const sent = Promise.all(Array.from({ length: 50 }, (_, number) => speaker.send("/topic/any", number)));
    await speaker.close();
    await sent;
    for (let number = 0; number < 50; number++) expect((await stream.next()).value?.body).toBe(number);
  });
});
