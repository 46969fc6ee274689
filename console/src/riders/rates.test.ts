import { describe, expect, it } from "vitest";
import { MedianMeter, RateMeter } from "./rates";

describe("RateMeter", () => {
  it("is zero before anything happened", () => {
    expect(new RateMeter().perSecond(123_456)).toBe(0);
  });

  it("tells a steady rate", () => {
    const meter = new RateMeter();
    for (let now = 0; now <= 10_000; now += 100) meter.add(5, now);
    expect(meter.perSecond(10_000)).toBeGreaterThan(45);
    expect(meter.perSecond(10_000)).toBeLessThan(55);
  });

  it("tells one batch a second as one a second from the start", () => {
    const meter = new RateMeter();
    for (let now = 0; now <= 2000; now += 1000) meter.add(200, now);
    expect(meter.perSecond(2000)).toBeCloseTo(200, 6);
  });

  it("falls to zero when nothing comes any more, also after a long time", () => {
    const meter = new RateMeter();
    for (let now = 0; now <= 3000; now += 100) meter.add(1, now);
    expect(meter.perSecond(6500)).toBe(0);
    expect(meter.perSecond(1e9)).toBe(0);
  });
});

describe("MedianMeter", () => {
  it("has none without samples", () => {
    expect(new MedianMeter().median()).toBeUndefined();
  });

  it("is not moved by one that is far out", () => {
    const meter = new MedianMeter();
    for (const sample of [3, 5, 4, 9000, 4]) meter.add(sample);
    expect(meter.median()).toBe(4);
  });

  it("forgets the oldest samples, and all when cleared", () => {
    const meter = new MedianMeter(3);
    for (const sample of [100, 100, 100, 1, 2, 3]) meter.add(sample);
    expect(meter.median()).toBe(2);
    meter.clear();
    expect(meter.median()).toBeUndefined();
  });
});
