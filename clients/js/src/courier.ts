/**
 * What a client decides without waiting: which frame goes out when, and whom an arriving frame concerns.
 *
 * - A frame is written at once when the link takes it and nothing waits before it; otherwise it queues. So frames leave
 *   in the order of the calls.
 * - While a connection is restored, or a token renewed, SENDs are *held*.
 * - When the connection ends, frames that were written and not confirmed fail: nobody knows what became of them. Frames
 *   that still wait go on waiting; subscriptions stay.
 * - When the server says `token-expired` about a frame, it has done nothing with it: it is sent again, once, when there is
 *   a new token.
 */

import type { IMessage } from "@stomp/stompjs";
import { Changes } from "./changes.js";
import { StompedeError } from "./errors.js";
import { type Headers, InFlight, Outgoing, SendQueue, Unconfirmed } from "./frames.js";
import type { Link } from "./link.js";
import type { Settings } from "./options.js";
import { readSoftError } from "./soft.js";
import { Standing } from "./standing.js";

const FULL_LOOK_MS = 20;

export class Courier {
  readonly queue: SendQueue;
  readonly inFlight = new InFlight();
  readonly changes = new Changes();
  /** Frames that an expired token stopped. */
  refused: Outgoing[] = [];
  /** Called when the server says that the token has expired. */
  onExpired: () => void = () => undefined;
  readonly counts = { sent: 0, received: 0, doubles: 0, undelivered: 0, softErrors: 0 };
  readonly #standings = new Map<string, Standing>();
  readonly #unasked: Unconfirmed;
  readonly #unconfirmed = new Set<string>();
  readonly #holds = new Set<string>();
  #link: Link | undefined;
  #numbers = 0;
  #names = 0;
  #ids = 0;
  #fullTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly settings: Settings) {
    this.queue = new SendQueue(settings.maxQueued, settings.maxQueuedBytes, settings.whenFull);
    this.#unasked = new Unconfirmed(settings.maxInFlight, settings.maxQueuedBytes);
  }

  // The connection.

  /** Whether every SUBSCRIBE that was written has been answered. */
  get restored(): boolean {
    return this.#unconfirmed.size === 0;
  }

  /** How many subscriptions stand, the client's own included. */
  get subscriptions(): number {
    return this.#standings.size;
  }

  /** A connection stands: subscribes all, in the order in which it was first subscribed, what tells of errors first. */
  attach(link: Link): void {
    this.#link = link;
    const all = [...this.#standings.values()];
    for (const standing of [...all.filter((one) => one.early), ...all.filter((one) => !one.early)]) this.#subscribe(standing);
  }

  /** From now on SENDs wait, until all who called this have called `release`. */
  hold(who: string): void {
    this.#holds.add(who);
  }

  release(who: string): void {
    this.#holds.delete(who);
    this.flush();
  }

  /** The connection is gone. */
  detach(why: StompedeError): void {
    this.#link = undefined;
    this.#unconfirmed.clear();
    this.#unasked.clear();
    for (const standing of this.#standings.values()) {
      standing.written = false;
      standing.takenBack();
    }
    for (const frame of this.inFlight.clear()) {
      if (frame.command === "UNSUBSCRIBE") frame.succeed();
      else frame.fail(why);
    }
    this.queue.putBack(this.takeRefused().filter((frame) => frame.command === "SEND"));
    this.changes.signal();
  }

  /** The client has closed for good: what waits fails, and subscriptions end. */
  close(why: StompedeError, byUser: boolean): void {
    this.detach(why);
    for (let frame = this.queue.shift(); frame !== undefined; frame = this.queue.shift()) frame.fail(why);
    const all = [...this.#standings.values()];
    this.#standings.clear();
    for (const standing of all) standing.end(byUser ? undefined : why);
  }

  // Out.

  /** A name that no receipt or request of this client had before. */
  nextName(): string {
    return String(++this.#names);
  }

  /** A subscription id. They count from 1 in each client: a server encodes a message once for all sessions with the same id. */
  nextId(): string {
    return String(++this.#ids);
  }

  /** Writes a frame, or lets it wait, or fails it where too much waits. */
  offer(frame: Outgoing): void {
    if (this.queue.length === 0 && this.#takes()) this.#write(frame);
    else this.queue.push(frame);
  }

  /** Nobody waits for a frame any more; if it was not written yet, it never will be. */
  forget(frame: Outgoing): void {
    frame.settled = true;
    this.queue.discard(frame);
    this.inFlight.discard(frame);
    this.flush();
  }

  /** Writes what waits, as far as it may go. */
  flush(): void {
    while (this.queue.length > 0 && this.#takes()) {
      const frame = this.queue.shift();
      if (frame !== undefined) this.#write(frame);
    }
    this.changes.signal();
  }

  /** Sends a refused frame once more; a SUBSCRIBE only if it still stands. */
  resend(frame: Outgoing): void {
    if (frame.settled || this.#link === undefined) return;
    if (frame.command === "SUBSCRIBE") {
      if (!this.#standings.has(frame.headers["id"] ?? "")) return;
      this.#unconfirmed.add(frame.receipt ?? "");
    }
    frame.renewed = true;
    this.#write(frame);
  }

  /** The frames that an expired token stopped, in the order of sending; they are the caller's now. */
  takeRefused(): Outgoing[] {
    const frames = this.refused.sort((one, other) => one.number - other.number);
    this.refused = [];
    return frames;
  }

  #takes(): boolean {
    if (!this.#link?.open || this.#holds.size > 0 || this.inFlight.size >= this.settings.maxInFlight) return false;
    if (!this.#link.full) return true;
    // A WebSocket does not say when it has room again.
    this.#fullTimer ??= setTimeout(() => {
      this.#fullTimer = undefined;
      this.flush();
    }, FULL_LOOK_MS);
    return false;
  }

  #write(frame: Outgoing, authorization?: string): void {
    frame.number = ++this.#numbers;
    if (frame.receipt !== undefined) this.inFlight.add(frame);
    if (frame.command === "SEND") this.counts.sent++;
    this.#link?.send(frame, authorization);
    if (frame.receipt !== undefined) return;
    this.#unasked.add(frame);
    frame.succeed();
  }

  // Subscriptions.

  /** Takes a subscription: it is written now, or when there is a connection. @param proof an `Authorization` header on it. */
  subscribe(standing: Standing, proof?: string): void {
    this.#standings.set(standing.id, standing);
    if (this.#link?.open) this.#subscribe(standing, proof);
  }

  /** Ends a subscription; fulfilled when no message of it follows, or `closeTimeoutMs` later. */
  async unsubscribe(standing: Standing, confirm = true): Promise<void> {
    if (this.#standings.get(standing.id) !== standing) return;
    this.#standings.delete(standing.id);
    if (!standing.written || !this.#link?.open) return;
    const frame = new Outgoing("UNSUBSCRIBE", { id: standing.id }, "", confirm ? this.nextName() : undefined);
    this.#write(frame);
    await this.changes.until(() => frame.settled, this.settings.closeTimeoutMs);
    this.inFlight.discard(frame);
  }

  /** There is a new token: what the old one suspended is taken up where it stopped. */
  resume(): void {
    for (const standing of [...this.#standings.values()].filter((one) => one.suspended)) {
      void this.unsubscribe(standing, false);
      standing.takenBack();
      standing.id = this.nextId(); // what still comes under the old one is behind the gap
      this.subscribe(standing);
    }
  }

  /** Whether the server stopped delivering to a subscription, and nothing else would ask for a new token. */
  get suspended(): boolean {
    return [...this.#standings.values()].some((one) => one.suspended);
  }

  #subscribe(standing: Standing, proof?: string): void {
    const frame = new Outgoing("SUBSCRIBE", standing.subscribe(), "", this.nextName());
    frame.renewed = proof !== undefined;
    this.#unconfirmed.add(frame.receipt ?? "");
    this.#write(frame, proof);
  }

  #answered(frame: Outgoing, headers: Headers | undefined, error?: StompedeError): void {
    this.#unconfirmed.delete(frame.receipt ?? "");
    const standing = this.#standings.get(frame.headers["id"] ?? "");
    if (error !== undefined) {
      this.#standings.delete(frame.headers["id"] ?? "");
      standing?.end(error);
    } else standing?.confirmed(headers ?? {});
    this.changes.signal();
  }

  // In.

  onMessage(message: IMessage): void {
    const standing = this.#standings.get(message.headers["subscription"] ?? "");
    // It was on its way when the UNSUBSCRIBE left.
    if (standing === undefined) this.counts.undelivered++;
    else if (standing.deliver(message)) this.counts.received++;
    else this.counts.doubles++;
  }

  onReceipt(headers: Headers): void {
    const frame = this.inFlight.take(headers["receipt-id"], undefined);
    if (frame === undefined) return;
    this.#unasked.handledBefore(frame.number);
    const { destination } = frame.headers;
    if (frame.command === "SUBSCRIBE") this.#answered(frame, headers);
    else if (frame.code === undefined) frame.succeed();
    // The answer would have come before it.
    else frame.fail(new StompedeError("no-reply", "the request was handled, but not answered", { destination }));
    this.flush();
  }

  onReply(message: IMessage): void {
    const frame = this.inFlight.take(undefined, message.headers["client-request-code"]);
    if (frame === undefined) this.counts.undelivered++;
    else frame.succeed(message);
    this.flush();
  }

  onSoftError(message: IMessage): void {
    this.counts.softErrors++;
    const error = readSoftError(message);
    const ended = message.headers["ended-subscription"];
    if (ended !== undefined) return this.#ended(ended, error);
    const frame = this.inFlight.take(message.headers["receipt-id"], error.requestCode) ?? this.#unasked.take(error.requestCode);
    if (error.code === "token-expired" && this.settings.token !== undefined && this.#expired(frame, error)) return;
    this.fail(frame, error);
    this.flush();
  }

  /** The server has ended a subscription, which its user may have left meanwhile. */
  #ended(id: string, error: StompedeError): void {
    const standing = this.#standings.get(id);
    this.#standings.delete(id);
    standing?.takenBack();
    standing?.end(error);
    this.changes.signal();
  }

  /** Tells the one who waits for a frame what went wrong, or the client's user where nobody does. */
  fail(frame: Outgoing | undefined, error: StompedeError): void {
    if (frame === undefined) this.settings.onError(error);
    else if (frame.receipt === undefined) {
      const { code, detail, errorId, requestCode } = error;
      this.settings.onError(new StompedeError(code, detail, { errorId, requestCode, destination: frame.headers["destination"] }));
    } else if (frame.command === "SUBSCRIBE") this.#answered(frame, undefined, error);
    else frame.fail(error);
  }

  /** Keeps what an expired token stopped; `false` where a new token has been tried already. */
  #expired(frame: Outgoing | undefined, error: StompedeError): boolean {
    if (frame?.renewed) return false;
    if (frame === undefined) {
      const heard = [...this.#standings.values()].filter((one) => one.destination === error.destination);
      for (const standing of heard) standing.suspend();
      // A SEND without a receipt that is remembered no more cannot be told apart from others, and is lost.
      if (heard.length === 0) this.settings.onError(error);
    } else {
      frame.reopen();
      this.refused.push(frame);
      this.#unconfirmed.delete(frame.receipt ?? "");
    }
    this.onExpired();
    this.changes.signal();
    return true;
  }
}
