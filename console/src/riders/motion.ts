/**
 * Smooth movement out of positions that come now and then.
 *
 * A rider is drawn on the way from where it was seen last to the newest position, and arrives there about when the next
 * one is expected: always one interval behind, never guessing ahead, so no marker ever jumps back.
 */

import { bearing, between, distanceM, turn, type LonLat } from "./geo";

/** Bounds for the expected time between two positions, in milliseconds. */
const MIN_INTERVAL_MS = 200;
const MAX_INTERVAL_MS = 4000;
/** A farther step than this is a rider who was out of sight: it is put there, not drawn flying over the roofs. */
const JUMP_M = 400;
/** Shorter steps are GPS noise of a rider who stands, and turn nothing. */
const TURN_M = 1.5;
/** Weight of the newest interval in the running mean. */
const INTERVAL_WEIGHT = 0.3;
/** A marker turns in this part of the time that it takes to move. */
const TURN_PART = 0.35;

export interface Pose {
  readonly position: LonLat;
  /** Compass degrees. */
  readonly heading: number;
}

export class Motion {
  #from: LonLat;
  #to: LonLat;
  #fromHeading = 0;
  #toHeading = 0;
  #start: number;
  #intervalMs = 1000;
  #durationMs = 0;

  constructor(position: LonLat, now: number) {
    this.#from = position;
    this.#to = position;
    this.#start = now;
  }

  /** The newest position that was reported. */
  get target(): LonLat {
    return this.#to;
  }

  /** Takes a new position, reported at `now` (milliseconds of a steady clock). */
  push(position: LonLat, now: number): void {
    const pose = this.at(now);
    const elapsed = Math.min(Math.max(now - this.#start, MIN_INTERVAL_MS), MAX_INTERVAL_MS);
    this.#intervalMs += (elapsed - this.#intervalMs) * INTERVAL_WEIGHT;
    if (distanceM(this.#to, position) >= TURN_M) this.#toHeading = bearing(this.#to, position);
    const jump = distanceM(pose.position, position) > JUMP_M;
    this.#from = jump ? position : pose.position;
    this.#fromHeading = jump ? this.#toHeading : pose.heading;
    this.#durationMs = jump ? 0 : this.#intervalMs;
    this.#to = position;
    this.#start = now;
  }

  /** Where to draw at `now`. */
  at(now: number): Pose {
    const t = this.#durationMs > 0 ? Math.min(Math.max((now - this.#start) / this.#durationMs, 0), 1) : 1;
    return {
      position: between(this.#from, this.#to, t),
      heading: turn(this.#fromHeading, this.#toHeading, Math.min(t / TURN_PART, 1)),
    };
  }

  /** Whether the marker is still on its way at `now`. */
  moving(now: number): boolean {
    return now < this.#start + this.#durationMs;
  }
}
