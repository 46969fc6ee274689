import { describe, expect, it } from "vitest";
import { Outgoing, SendQueue } from "../src/frames.js";

const send = (body: string): Outgoing => new Outgoing("SEND", { destination: "/topic/x" }, body);

describe("SendQueue", () => {
  it("refuses a message beyond its count", async () => {
    const queue = new SendQueue(2, 10_000, "reject");
    const third = send("3");
    for (const frame of [send("1"), send("2"), third]) queue.push(frame);
    await expect(third.outcome).rejects.toMatchObject({ code: "limit-exceeded", destination: "/topic/x" });
    expect([queue.length, queue.dropped]).toEqual([2, 1]);
  });

  it("gives up the oldest where that is the policy", async () => {
    const queue = new SendQueue(2, 10_000, "drop-oldest");
    const first = send("1");
    for (const frame of [first, send("2"), send("3")]) queue.push(frame);
    await expect(first.outcome).rejects.toMatchObject({ code: "limit-exceeded" });
    expect([queue.shift()?.body, queue.shift()?.body, queue.shift()]).toEqual(["2", "3", undefined]);
  });

  it.each(["reject", "drop-oldest"] as const)("stays under its size by %s, and refuses what never fits", async (policy) => {
    const queue = new SendQueue(100, 400, policy);
    for (let number = 0; number < 10; number++) queue.push(send("x".repeat(100)));
    const huge = send("x".repeat(1000));
    queue.push(huge);
    await expect(huge.outcome).rejects.toMatchObject({ code: "limit-exceeded" });
    expect(queue.bytes).toBeLessThanOrEqual(400);
  });

  it("counts down to nothing", () => {
    const queue = new SendQueue(9, 10_000, "reject");
    const frames = ["1", "22", "333"].map(send);
    for (const frame of frames) queue.push(frame);
    queue.discard(frames[1] as Outgoing);
    (frames[0] as Outgoing).settled = true;
    expect(queue.shift()).toBe(frames[2]);
    expect([queue.shift(), queue.bytes, queue.length]).toEqual([undefined, 0, 0]);
  });
});
