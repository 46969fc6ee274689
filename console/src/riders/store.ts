/** Everything the page knows about the riders; no DOM, no network, the clocks passed in. */

import { distanceM, type LonLat } from "./geo";
import { Motion } from "./motion";
import type { Report, WorkStatus } from "./wire";

/** A rider who went off duty, or who is not heard of, leaves the map after this time. */
const DONE_KEPT_MS = 15_000;
const SILENT_KEPT_MS = 600_000;
/** Drawn faded when not heard of for this long. */
export const SILENT_MS = 20_000;
/** How much of the past a speed is taken from, and a trail is drawn of. */
const SPEED_WINDOW_MS = 6_000;
const TRAIL_MS = 90_000;

interface Sample {
  readonly position: LonLat;
  /** Steady clock of the page, milliseconds. */
  readonly seen: number;
  /** When the position was taken as far as known, else when it arrived; Unix milliseconds. */
  readonly taken: number;
}

export class Rider {
  readonly motion: Motion;
  workStatus: WorkStatus;
  /** `at` of the newest report. */
  at: number | undefined;
  lastSeen: number;
  readonly #past: Sample[] = [];

  constructor(readonly riderId: number, report: Report, now: number, wall: number) {
    this.motion = new Motion(report.position, now);
    this.workStatus = report.workStatus;
    this.at = report.at;
    this.lastSeen = now;
    this.#remember(report, now, wall);
  }

  update(report: Report, now: number, wall: number): void {
    this.motion.push(report.position, now);
    this.workStatus = report.workStatus;
    this.at = report.at ?? this.at;
    this.lastSeen = now;
    this.#remember(report, now, wall);
  }

  /** Metres per second over the last few seconds; `undefined` with one position only. */
  speed(): number | undefined {
    const newest = this.#past.at(-1);
    const oldest = this.#past.find((sample) => newest !== undefined && newest.taken - sample.taken <= SPEED_WINDOW_MS);
    if (newest === undefined || oldest === undefined || newest.taken <= oldest.taken) return undefined;
    return distanceM(oldest.position, newest.position) / ((newest.taken - oldest.taken) / 1000);
  }

  /** Where the rider was in the last minute and a half, oldest first, without the newest position. */
  trail(): LonLat[] {
    return this.#past.slice(0, -1).map((sample) => sample.position);
  }

  #remember(report: Report, now: number, wall: number): void {
    this.#past.push({ position: report.position, seen: now, taken: report.at ?? wall });
    const keep = this.#past.findIndex((sample) => now - sample.seen <= TRAIL_MS);
    if (keep > 0) this.#past.splice(0, keep);
  }
}

export class RiderStore {
  readonly #riders = new Map<number, Rider>();
  /** Grows with every change, so that a view can see whether there is anything to draw. */
  version = 0;

  get size(): number {
    return this.#riders.size;
  }

  get(riderId: number): Rider | undefined {
    return this.#riders.get(riderId);
  }

  all(): IterableIterator<Rider> {
    return this.#riders.values();
  }

  /**
   * Takes a report; `now` is the page's steady clock, `wall` Unix time, both in milliseconds.
   *
   * @returns false when it told nothing new: older than, or the same as, what is known. The same position comes twice
   *   while a rider is followed, by its own topic and by the overview.
   */
  apply(report: Report, now: number, wall: number): boolean {
    const known = this.#riders.get(report.riderId);
    if (known === undefined) {
      if (report.workStatus === "DONE") return false;
      this.#riders.set(report.riderId, new Rider(report.riderId, report, now, wall));
    } else {
      if (report.at !== undefined && known.at !== undefined && report.at <= known.at) return false;
      known.update(report, now, wall);
    }
    this.version++;
    return true;
  }

  /** Forgets riders who are off duty or long silent; returns their ids. */
  sweep(now: number): number[] {
    const gone: number[] = [];
    for (const rider of this.#riders.values()) {
      const kept = rider.workStatus === "DONE" ? DONE_KEPT_MS : SILENT_KEPT_MS;
      if (now - rider.lastSeen > kept) gone.push(rider.riderId);
    }
    for (const riderId of gone) this.#riders.delete(riderId);
    if (gone.length > 0) this.version++;
    return gone;
  }

  /** Riders whose id contains `text`, by id, at most `limit`; `total` counts all that match. */
  search(text: string, limit: number): { riders: Rider[]; total: number } {
    const wanted = text.replace(/\D+/g, "");
    const matches = [...this.#riders.values()]
      .filter((rider) => String(rider.riderId).includes(wanted))
      .sort((a, b) => a.riderId - b.riderId);
    return { riders: matches.slice(0, limit), total: matches.length };
  }
}
