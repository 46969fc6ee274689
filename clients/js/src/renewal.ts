/**
 * Fetches a new token, makes the server know it, and sends again what the old one stopped.
 *
 * The proof is a second subscription to the error destination, under another id. Frames of a session are handled in order,
 * so its RECEIPT tells that every frame before it has been answered; and the server learns of the token even when no frame
 * of the application is due. The first subscription goes afterwards, so that no error falls between.
 */

import { DEFAULT_BACKOFF, delayMs } from "./backoff.js";
import type { Courier } from "./courier.js";
import { ConnectionEnded, StompedeError } from "./errors.js";
import type { Settings } from "./options.js";
import { type Sink, Standing } from "./standing.js";
import { authorization } from "./tokens.js";

const IDS = ["errors", "errors-2"] as const;
const RETRY = { ...DEFAULT_BACKOFF, initialMs: 1_000 };

export class Renewal {
  /** Whether one is under way. */
  running = false;
  #errors: Standing | undefined;
  #generation = 0;
  #failed = 0;
  #again: ReturnType<typeof setTimeout> | undefined;

  /** @param giveUp ends a connection on which the server does not answer. */
  constructor(
    private readonly courier: Courier,
    private readonly settings: Settings,
    private readonly giveUp: () => void,
  ) {
    courier.onExpired = () => this.start();
  }

  /** Subscribes to the error destination, once. */
  listen(): void {
    this.#errors ??= this.#channel(IDS[0], { live: () => undefined, end: (error) => this.#refused(error) });
    this.courier.subscribe(this.#errors);
  }

  /** The connection ended, and what was under way with it. */
  abandon(): void {
    this.#generation++;
    this.running = false;
    this.#failed = 0;
    clearTimeout(this.#again);
    this.courier.release("renewing");
  }

  /** Renews the token, unless that is under way, or has just failed for want of one. */
  start(): void {
    if (this.running) return;
    clearTimeout(this.#again);
    this.running = true;
    this.courier.hold("renewing");
    const generation = this.#generation;
    const here = (): boolean => generation === this.#generation;
    this.#renew(here).then(
      () => here() && this.#done(),
      (error: unknown) => here() && this.#failedWith(error as StompedeError),
    );
  }

  async #renew(here: () => boolean): Promise<void> {
    const proof = await authorization(this.settings.token, this.settings.connectTimeoutMs);
    if (!here()) return;
    const old = this.#errors;
    let outcome: "live" | StompedeError | undefined;
    const channel = this.#channel(old?.id === IDS[0] ? IDS[1] : IDS[0], {
      live: () => (outcome = "live"),
      end: (error) => (outcome ??= error),
    });
    this.courier.subscribe(channel, proof);
    const answered = await this.courier.changes.until(() => outcome !== undefined || !here(), this.settings.connectTimeoutMs);
    if (!here()) void this.courier.unsubscribe(channel);
    else if (!answered) {
      void this.courier.unsubscribe(channel, false);
      this.giveUp();
    } else if (outcome instanceof StompedeError) throw outcome;
    else {
      this.#errors = channel;
      if (old !== undefined) void this.courier.unsubscribe(old, false);
    }
  }

  #done(): void {
    this.#failed = 0;
    for (const frame of this.courier.takeRefused()) this.courier.resend(frame);
    this.courier.resume();
    this.running = false;
    this.courier.release("renewing");
  }

  /** There is no token that counts: what the old one stopped fails. Who only listens has nobody to ask again but us. */
  #failedWith(error: StompedeError): void {
    this.running = false;
    const refused = this.courier.takeRefused();
    for (const frame of refused) this.courier.fail(frame, error);
    if (refused.length === 0) this.settings.onError(error);
    if (this.courier.suspended) {
      this.#again = setTimeout(() => this.start(), RETRY.initialMs + delayMs(RETRY, this.#failed++, Math.random));
    }
    this.courier.release("renewing");
  }

  /** The first error channel ended. What closed the client is told elsewhere. */
  #refused(error: StompedeError | undefined): void {
    if (error !== undefined && !(error instanceof ConnectionEnded)) this.settings.onError(error);
  }

  #channel(id: string, sink: Pick<Sink, "live" | "end">): Standing {
    const all: Sink = { message: (message) => this.courier.onSoftError(message), gap: () => undefined, ...sink };
    return new Standing(id, this.settings.errorDestination, all, {}, true);
  }
}
