import { describe, expect, it } from "vitest";
import { RiderStore } from "./store";
import type { Report, WorkStatus } from "./wire";

function report(riderId: number, metres: number, at?: number, workStatus: WorkStatus = "WORKING"): Report {
  return { riderId, workStatus, position: [24.94, 60.17 + metres / 111_195], at };
}

describe("RiderStore", () => {
  it("takes a position once, also when two topics carry it, and never an older one", () => {
    const store = new RiderStore();
    expect(store.apply(report(1, 0, 1000), 0, 0)).toBe(true);
    expect(store.apply(report(1, 5, 2000), 1000, 1000)).toBe(true);
    expect(store.apply(report(1, 5, 2000), 1100, 1100)).toBe(false);
    expect(store.apply(report(1, 0, 1000), 1200, 1200)).toBe(false);
    expect(store.size).toBe(1);
  });

  it("tells the speed by the times of the positions, not by when they arrived", () => {
    const store = new RiderStore();
    for (let second = 0; second <= 5; second++) store.apply(report(1, second * 8, second * 1000), 3, 3);
    expect(store.get(1)?.speed()).toBeCloseTo(8, 1);
  });

  it("tells no speed out of one position", () => {
    const store = new RiderStore();
    store.apply(report(1, 0), 0, 0);
    expect(store.get(1)?.speed()).toBeUndefined();
  });

  it("remembers where a rider was, for a while", () => {
    const store = new RiderStore();
    for (let second = 0; second <= 200; second++) store.apply(report(1, second, second * 1000), second * 1000, 0);
    expect(store.get(1)?.trail().length).toBe(90);
  });

  it("lets riders go who are done or long silent", () => {
    const store = new RiderStore();
    store.apply(report(1, 0), 0, 0);
    store.apply(report(2, 0), 0, 0);
    store.apply(report(2, 0, undefined, "DONE"), 1000, 1000);
    expect(store.sweep(10_000)).toEqual([]);
    expect(store.sweep(17_000)).toEqual([2]);
    expect(store.sweep(700_000)).toEqual([1]);
    expect(store.size).toBe(0);
  });

  it("does not bring back a rider who is done", () => {
    const store = new RiderStore();
    expect(store.apply(report(1, 0, undefined, "DONE"), 0, 0)).toBe(false);
    expect(store.size).toBe(0);
  });

  it("finds riders by a part of their number, in order", () => {
    const store = new RiderStore();
    for (const riderId of [21, 112, 12, 3]) store.apply(report(riderId, 0), 0, 0);
    const found = store.search("rider 12", 10);
    expect(found.riders.map((rider) => rider.riderId)).toEqual([12, 112]);
    expect(store.search("", 2)).toMatchObject({ total: 4 });
    expect(store.search("", 2).riders).toHaveLength(2);
  });
});
