/** The life of a client: it connects, restores, and comes back. It owns the link; decisions that need no waiting are the courier's. */

import { type Backoff, delayMs } from "./backoff.js";
import { Courier } from "./courier.js";
import { ConnectionEnded, StompedeError } from "./errors.js";
import type { Headers } from "./frames.js";
import { Link, type LinkEvents } from "./link.js";
import { mayFollow, type Move } from "./moves.js";
import type { ClientState, Settings } from "./options.js";
import { Renewal } from "./renewal.js";
import { authorization } from "./tokens.js";

export class Supervisor {
  readonly courier: Courier;
  state: ClientState = "idle";
  /** Why the client has closed for good. */
  closed: StompedeError | undefined;
  /** Headers of the last CONNECTED. */
  welcome: Headers = {};
  connects = 0;
  readonly #renewal: Renewal;
  #link: Link | undefined;
  #closing = false;
  #upSince: number | undefined;
  /** Where the server wants the next connection to be. */
  #move: Move | undefined;
  /** Where the last one was. */
  #at = "";

  constructor(private readonly settings: Settings) {
    this.courier = new Courier(settings);
    this.#renewal = new Renewal(this.courier, settings, () => this.#link?.discard());
    this.courier.hold("restoring");
    this.#renewal.listen();
  }

  /** Runs until the client is closed, by its user or for good by the server. */
  async run(): Promise<void> {
    const backoff = this.settings.reconnect;
    let target: string | undefined;
    for (let failed = 0; !this.#closing; failed++) {
      this.#to("connecting");
      const why = await this.#liveOnce(target);
      if (this.#closing) break;
      if (backoff === undefined || !(why instanceof ConnectionEnded ? why.reconnect : true)) return this.#finish(why, false);
      if (this.#upSince !== undefined && Date.now() - this.#upSince >= backoff.stableMs) failed = 0;
      this.#upSince = undefined;
      if (failed >= backoff.attempts) return this.#finish(why, false);
      const move = this.#move;
      target = this.#target(move);
      this.#to("waiting", why);
      await this.courier.changes.until(() => this.#closing, waitMs(move, backoff, failed));
    }
    this.#finish(closedByUser(), true);
  }

  /** Sends what waits and DISCONNECT, and waits until the server has taken all, but no longer than `closeTimeoutMs`. */
  async close(): Promise<void> {
    const { changes, queue } = this.courier;
    const { closeTimeoutMs } = this.settings;
    const until = Date.now() + closeTimeoutMs;
    const emptied = (): boolean => queue.length === 0 || this.state !== "connected";
    if (this.state === "connected") await changes.until(emptied, closeTimeoutMs);
    this.#closing = true;
    changes.signal();
    this.#link?.close();
    if (this.state !== "idle" && (await changes.until(() => this.closed !== undefined, Math.max(1, until - Date.now())))) return;
    this.#link?.discard();
    this.#finish(closedByUser(), true);
  }

  /** Where the server wants the client to go next, if the client follows. */
  #target(move: Move | undefined): string | undefined {
    if (!this.settings.followMoves || move?.url === undefined || !mayFollow(move.url, this.#at)) return undefined;
    return move.url;
  }

  /**
   * One connection from the token to its end.
   *
   * @param target where the server said that it should go.
   * @returns why it ended. What is wrong with the server's URL is no reason to give up the user's.
   */
  async #liveOnce(target: string | undefined): Promise<StompedeError> {
    this.#move = undefined;
    let opened = false;
    const why = await this.#live(target, () => (opened = true));
    if (target === undefined || opened || !(why instanceof ConnectionEnded)) return why;
    return new ConnectionEnded(why.code, why.detail, why.closeCode, true, why.cause);
  }

  async #live(target: string | undefined, welcomed: () => void): Promise<StompedeError> {
    const { courier, settings } = this;
    const deadline = Date.now() + settings.connectTimeoutMs;
    const left = (): number => Math.max(1, deadline - Date.now());
    let proof: string | undefined;
    try {
      proof = await authorization(settings.token, left());
    } catch (error) {
      // It may be back later, and said nothing about this server.
      return error as StompedeError;
    }
    if (this.#closing) return closedByUser();
    let opened = false;
    let why: ConnectionEnded | undefined;
    const events: LinkEvents = {
      opened: (headers) => {
        opened = true;
        welcomed();
        this.welcome = headers;
        courier.changes.signal();
      },
      message: (message) => courier.onMessage(message),
      receipt: (headers) => courier.onReceipt(headers),
      ended: (ended, move) => {
        why = ended;
        this.#move = move;
        this.#link = undefined;
        courier.hold("restoring");
        courier.detach(ended);
        this.#renewal.abandon();
      },
    };
    let link: Link;
    try {
      this.#at = target ?? (typeof settings.url === "function" ? settings.url() : settings.url);
      link = this.#link = new Link(settings, this.#at, proof, events);
    } catch (error) {
      return new ConnectionEnded("websocket-failed", String(error), 1006, false, error);
    }
    if (!(await courier.changes.until(() => opened || why !== undefined, left()))) link.discard();
    if (opened && why === undefined) await this.#serve(link, left, () => why !== undefined);
    return why ?? new ConnectionEnded("connection-lost", "not connected in time", 1006, true);
  }

  async #serve(link: Link, left: () => number, ended: () => boolean): Promise<void> {
    const { courier } = this;
    courier.attach(link);
    if (!(await courier.changes.until(() => ended() || (courier.restored && !this.#renewal.running), left()))) link.discard();
    if (ended()) return;
    this.connects++;
    this.#upSince = Date.now();
    this.#to("connected");
    courier.release("restoring");
    await courier.changes.until(ended);
  }

  #to(state: ClientState, why?: StompedeError): void {
    this.state = state;
    this.courier.changes.signal();
    this.settings.onState(state, why);
  }

  #finish(why: StompedeError, byUser: boolean): void {
    if (this.closed !== undefined) return;
    this.closed = why;
    this.courier.close(why, byUser);
    this.#to("closed", byUser ? undefined : why);
  }
}

/** What the server says counts alone only after a connection that was good: who is sent round in a circle hammers nobody. */
function waitMs(move: Move | undefined, backoff: Backoff, failed: number): number {
  const byChance = (): number => delayMs(backoff, failed, Math.random);
  if (move === undefined) return byChance();
  return failed === 0 ? move.delayMs : Math.max(move.delayMs, byChance());
}

function closedByUser(): ConnectionEnded {
  return new ConnectionEnded("closed", "the client is closed", 1000, false);
}
