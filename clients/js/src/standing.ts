/** A subscription as the client's inside sees it: what is subscribed again after each reconnect. */

import type { IMessage } from "@stomp/stompjs";
import type { StompedeError } from "./errors.js";
import type { Headers } from "./frames.js";
import { Track } from "./position.js";

/** Messages may be missing before the next one. */
export interface Gap {
  readonly destination: string;
  /** `message-id` of the last message before the gap, where there was one. */
  readonly lastMessageId: string | undefined;
  /** `no-history`: the destination keeps none. `too-old`: it no longer holds all that was missed, and gave nothing. */
  readonly reason: "no-history" | "too-old";
}

/** Who a subscription is for. */
export interface Sink {
  /** @param recovered on the first message after an interruption only: whether nothing is missing before it. */
  message(message: IMessage, recovered: boolean | undefined): void;
  gap(gap: Gap): void;
  live(): void;
  /** The last call. @param error why, where its user did not end it. */
  end(error: StompedeError | undefined): void;
}

export class Standing {
  /** A SUBSCRIBE for it went out on this connection. */
  written = false;
  /** The server has confirmed it once. */
  live = false;
  /** The server stopped delivering; what still comes is recovered later. */
  suspended = false;
  readonly #track = new Track();
  #began = false;
  #interruption: boolean | undefined;

  /**
   * @param id its `id` header.
   * @param extra further headers of the SUBSCRIBE.
   * @param early whether it is subscribed before all others: what tells of refused subscriptions must be.
   */
  constructor(
    public id: string,
    readonly destination: string,
    private readonly sink: Sink,
    private readonly extra: Headers = {},
    readonly early = false,
  ) {}

  /** Whether the server can fill its gaps. */
  get recoverable(): boolean {
    return this.#track.from !== undefined;
  }

  /** Headers of a SUBSCRIBE that is written now. */
  subscribe(): Headers {
    const from = this.#track.from;
    const headers: Record<string, string> = { ...this.extra, id: this.id, destination: this.destination };
    if (from !== undefined) {
      headers["recover-from"] = from;
      delete headers["history-last"];
    }
    this.written = true;
    this.suspended = false;
    this.#track.begin();
    return headers;
  }

  /** A message arrived. @returns `false` where it came before. */
  deliver(message: IMessage): boolean {
    if (this.suspended || !this.#track.accept(message.headers["message-id"])) return false;
    this.#began = true;
    const recovered = this.#interruption;
    this.#interruption = undefined;
    this.sink.message(message, recovered);
    return true;
  }

  /** The RECEIPT of the SUBSCRIBE came. */
  confirmed(headers: Headers): void {
    const again = this.#began;
    const recovered = headers["recovered"] === "true";
    const gap = this.#gap(headers["recovered"] === "false" ? "too-old" : "no-history");
    // Where messages are acknowledged, the last one that came need not be the last one that was worked off, and one may
    // come again on purpose.
    const acknowledged = (this.extra["ack"] ?? "auto") !== "auto";
    this.#track.confirmed(acknowledged ? undefined : headers["position"], recovered);
    this.#began = true;
    if (again) this.#interruption = recovered;
    if (again && !recovered) this.sink.gap(gap);
    if (!this.live) {
      this.live = true;
      this.sink.live();
    }
  }

  /** The token had run out, and the server stopped delivering. */
  suspend(): void {
    if (this.recoverable) this.suspended = true;
    else this.sink.gap(this.#gap("no-history"));
  }

  /** It stands no more. */
  end(error: StompedeError | undefined): void {
    this.sink.end(error);
  }

  #gap(reason: Gap["reason"]): Gap {
    return { destination: this.destination, lastMessageId: this.#track.last, reason };
  }
}
