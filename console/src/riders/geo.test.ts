import { describe, expect, it } from "vitest";
import { bearing, between, distanceM, isLonLat, turn } from "./geo";

describe("geo", () => {
  it("measures a hundredth of a degree north as about 1112 metres", () => {
    expect(distanceM([24.94, 60.17], [24.94, 60.18])).toBeCloseTo(1112, 0);
  });

  it("measures degrees east as half as long at 60 degrees north", () => {
    const equator = distanceM([0, 0], [0.01, 0]);
    expect(distanceM([0, 60], [0.01, 60]) / equator).toBeCloseTo(0.5, 3);
  });

  it.each([
    [[0, 1], 0],
    [[1, 0], 90],
    [[0, -1], 180],
    [[-1, 0], 270],
  ] as const)("looks towards %j as %i degrees", (to, degrees) => {
    expect(bearing([0, 0], to)).toBeCloseTo(degrees, 5);
  });

  it("turns the shorter way round, over north too", () => {
    expect(turn(350, 10, 0.5)).toBeCloseTo(0, 9);
    expect(turn(10, 350, 0.25)).toBeCloseTo(5, 9);
    expect(turn(90, 180, 1)).toBeCloseTo(180, 9);
  });

  it("goes a part of the way", () => {
    expect(between([0, 0], [2, 4], 0.25)).toEqual([0.5, 1]);
  });

  it("takes finite degrees on the earth, and nothing else, for a position", () => {
    expect(isLonLat(24.9, 60.1)).toBe(true);
    for (const [x, y] of [[181, 0], [0, 91], [NaN, 0], ["1", 2], [undefined, 1]]) expect(isLonLat(x, y)).toBe(false);
  });
});
