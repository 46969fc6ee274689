/** The panel of the followed rider, and the live figures. */

import type { Rider, RiderStore } from "../riders/store";
import { MedianMeter, RateMeter } from "../riders/rates";
import { byId, setNote, setText } from "../shell/dom";
import { ago, count, delay, rate, speed } from "../shell/format";
import { riderTopic, type LinkState } from "./link";

const STATUS_WORDS: Readonly<Record<string, string>> = {
  INIT: "Starting",
  WORKING: "Working",
  PAUSED: "Paused",
  DONE: "Done",
};
const STATE_WORDS: Readonly<Record<LinkState, string>> = {
  connecting: "Connecting",
  live: "Live",
  waiting: "Reconnecting",
  paused: "Paused",
};
/** Clocks that differ by more than this tell nothing about a delay. */
const WRONG_CLOCK_MS = 60_000;

export class Figures {
  readonly positions = new RateMeter();
  readonly messages = new RateMeter();
  /** Ages of positions when they arrive: the overview's, and the followed rider's. */
  readonly #delay = new MedianMeter();
  readonly #ownDelay = new MedianMeter(20);

  arrived(at: number | undefined, wall: number, source: "overview" | "followed"): void {
    if (at === undefined || Math.abs(wall - at) > WRONG_CLOCK_MS) return;
    (source === "followed" ? this.#ownDelay : this.#delay).add(wall - at);
  }

  /** Median age of the followed rider's positions. */
  ownDelay(): number | undefined {
    return this.#ownDelay.median();
  }

  followedAnother(): void {
    this.#ownDelay.clear();
  }

  show(store: RiderStore, now: number): void {
    setText(byId("figure-riders"), count(store.size));
    setText(byId("figure-positions"), rate(this.positions.perSecond(now)));
    setText(byId("figure-messages"), rate(this.messages.perSecond(now)));
    setText(byId("figure-delay"), delay(this.#delay.median()));
  }
}

export function showState(state: LinkState): void {
  const pill = byId("link-state");
  pill.dataset["state"] = state;
  setText(pill, STATE_WORDS[state]);
  if (state === "live") setNote(byId("link-note"), undefined);
}

export function showFollowed(rider: Rider | undefined, figures: Figures, now: number): void {
  byId("followed").hidden = rider === undefined;
  if (rider === undefined) return;
  const [lon, lat] = rider.motion.target;
  const status = byId("followed-status");
  status.dataset["status"] = rider.workStatus;
  setText(byId("followed-title"), `Rider ${rider.riderId}`);
  setText(status, STATUS_WORDS[rider.workStatus] ?? rider.workStatus);
  setText(byId("followed-speed"), speed(rider.speed()));
  setText(byId("followed-seen"), ago(now - rider.lastSeen));
  setText(byId("followed-delay"), delay(figures.ownDelay()));
  setText(byId("followed-topic"), riderTopic(rider.riderId));
  setText(byId("followed-position"), `${lat.toFixed(5)}, ${lon.toFixed(5)}`);
}
