import { describe, expect, it } from "vitest";
import { ago, clock, count, delay, rate, size, speed } from "./format";

describe("format", () => {
  it("writes figures as people read them", () => {
    expect(count(12345)).toBe("12,345");
    expect(rate(0)).toBe("0");
    expect(rate(1.04)).toBe("1.0");
    expect(rate(199.6)).toBe("200");
    expect(size(900)).toBe("900 B");
    expect(size(24_900)).toBe("24.3 KB");
  });

  it("writes speeds in kilometres an hour", () => {
    expect(speed(5)).toBe("18.0 km/h");
    expect(speed(undefined)).toBe("–");
  });

  it("writes delays in milliseconds while they are short", () => {
    expect(delay(12.4)).toBe("12 ms");
    expect(delay(-3)).toBe("0 ms");
    expect(delay(1500)).toBe("1.5 s");
    expect(delay(undefined)).toBe("–");
  });

  it("says how long ago something was", () => {
    expect([200, 20_000, 600_000].map(ago)).toEqual(["just now", "20 s ago", "10 min ago"]);
  });

  it("writes the time of day to the millisecond", () => {
    expect(clock(new Date(2026, 10, 21, 9, 5, 7, 42))).toBe("09:05:07.042");
  });
});
