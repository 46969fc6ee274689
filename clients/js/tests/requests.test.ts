import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { StompedeClient } from "../src/index.js";
import { FakeServer, type Frame, type Peer } from "./fake.js";

let server: FakeServer;
let client: StompedeClient;

/** What is done with each request. */
function requests(answer: (peer: Peer, frame: Frame, code: string) => boolean | void): void {
  server.rule = (peer, frame) => (frame.command === "SEND" ? answer(peer, frame, frame.headers["client-request-code"] ?? "") : false);
}

beforeEach(async () => {
  server = new FakeServer();
  client = server.client();
  await client.open();
});

afterEach(() => client.close());

describe("request", () => {
  it("gives the answer that carries its code", async () => {
    const waiting: [Peer, string, string][] = [];
    requests((peer, frame, code) => {
      waiting.push([peer, code, frame.body]);
      if (waiting.length < 3) return true;
      for (const [to, its, body] of waiting.reverse()) to.message("/session/queue/replies", "m", body, { "client-request-code": its });
      return true;
    });
    expect(await Promise.all([1, 2, 3].map((number) => client.request<number>("/app/echo", number)))).toEqual([1, 2, 3]);
    expect(server.peer.subscribes("/session/queue/replies").length).toBe(1);
    expect(client.statistics().inFlight).toBe(0);
  });

  it("is rejected with the soft error that carries its code", async () => {
    const body = { code: "invalid-body", detail: "no", destination: "/app/echo" };
    requests((peer, _, code) => (peer.softError(body, { "client-request-code": code }), true));
    await expect(client.request("/app/echo", 1)).rejects.toMatchObject(body);
  });

  it("notices by the RECEIPT that there is no answer", async () => {
    await expect(client.request("/app/quiet", 1)).rejects.toMatchObject({ code: "no-reply", destination: "/app/quiet" });
  });

  it("waits no longer than it is told to, and a late answer harms nobody", async () => {
    let late = "";
    requests((_, __, code) => ((late = code), true));
    await expect(client.request("/app/slow", 1, { timeoutMs: 5 })).rejects.toMatchObject({ code: "timeout" });
    server.peer.message("/session/queue/replies", "m", "1", { "client-request-code": late });
    expect(client.statistics()).toMatchObject({ undelivered: 1, inFlight: 0 });
  });

  it("may have been handled when the connection broke", async () => {
    requests((peer) => (peer.cut(), true));
    await expect(client.request("/app/echo", 1)).rejects.toMatchObject({ name: "ConnectionEnded" });
    requests((peer, frame, code) => (peer.message("/session/queue/replies", "m", frame.body, { "client-request-code": code }), true));
    expect(await client.request("/app/echo", 2)).toBe(2);
  });
});
