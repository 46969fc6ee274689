import { describe, expect, it } from "vitest";
import type { LonLat } from "./geo";
import { Motion } from "./motion";

/** A point so many metres north of the start. */
function north(metres: number): LonLat {
  return [24.94, 60.17 + metres / 111_195];
}

describe("Motion", () => {
  it("stands where it was first seen", () => {
    const motion = new Motion(north(0), 1000);
    expect(motion.at(5000).position).toEqual(north(0));
    expect(motion.moving(5000)).toBe(false);
  });

  it("arrives at a new position after one interval and is between the two before", () => {
    const motion = new Motion(north(0), 0);
    motion.push(north(10), 1000);
    expect(motion.at(1000).position[1]).toBeCloseTo(north(0)[1], 9);
    expect(motion.at(1500).position[1]).toBeCloseTo(north(5)[1], 9);
    expect(motion.at(2000).position[1]).toBeCloseTo(north(10)[1], 9);
    expect(motion.at(9000).position[1]).toBeCloseTo(north(10)[1], 9);
    expect(motion.moving(1999)).toBe(true);
    expect(motion.moving(2001)).toBe(false);
  });

  it("goes on from where it is drawn when the next position comes early", () => {
    const motion = new Motion(north(0), 0);
    motion.push(north(10), 1000);
    const before = motion.at(1400).position[1];
    motion.push(north(20), 1400);
    expect(motion.at(1400).position[1]).toBeCloseTo(before, 9);
  });

  it("never draws a step back while positions only go forward", () => {
    const motion = new Motion(north(0), 0);
    let drawn = north(0)[1];
    let now = 0;
    for (let step = 1; step <= 40; step++) {
      const pause = 300 + ((step * 7919) % 1700);
      for (const end = now + pause; now < end; now += 16) {
        const next = motion.at(now).position[1];
        expect(next).toBeGreaterThanOrEqual(drawn - 1e-12);
        drawn = next;
      }
      motion.push(north(step * 6), now);
    }
  });

  it("learns the interval: riders who report every half second are not drawn a whole second late", () => {
    const motion = new Motion(north(0), 0);
    for (let step = 1; step <= 20; step++) motion.push(north(step * 5), step * 500);
    expect(motion.moving(20 * 500 + 550)).toBe(false);
  });

  it("puts a rider who reappears far away there, at once", () => {
    const motion = new Motion(north(0), 0);
    motion.push(north(5000), 1000);
    expect(motion.at(1000).position).toEqual(north(5000));
  });

  it("looks where it goes, and does not turn for the noise of standing still", () => {
    const motion = new Motion(north(0), 0);
    motion.push([24.95, 60.17], 1000);
    expect(motion.at(2000).heading).toBeCloseTo(90, 0);
    motion.push([24.95, 60.170005], 2000);
    expect(motion.at(3000).heading).toBeCloseTo(90, 0);
  });
});
