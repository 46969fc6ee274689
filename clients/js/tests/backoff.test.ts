import { expect, it } from "vitest";
import { DEFAULT_BACKOFF, delayMs } from "../src/backoff.js";

it("draws a wait from the whole interval up to a bound that doubles", () => {
  const longest = (attempt: number): number => delayMs(DEFAULT_BACKOFF, attempt, () => 1);
  expect([0, 1, 2, 3].map(longest)).toEqual([500, 1000, 2000, 4000]);
  expect(delayMs(DEFAULT_BACKOFF, 3, () => 0.25)).toBe(1000);
  expect(delayMs(DEFAULT_BACKOFF, 3, () => 0)).toBe(0);
});

it("has a bound that no number of attempts exceeds", () => {
  expect(delayMs(DEFAULT_BACKOFF, 100_000, () => 1)).toBe(30_000);
  expect(delayMs({ ...DEFAULT_BACKOFF, initialMs: 0 }, 100_000, () => 1)).toBe(0);
});
