/** A subscription as the client's inside sees it: what is subscribed again after each reconnect. */

import type { IMessage } from "@stomp/stompjs";
import type { StompedeError } from "./errors.js";
import { Book } from "./acks.js";
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
  /**
   * @param recovered on the first message after an interruption only: whether nothing is missing before it.
   * @param answer where messages are acknowledged: to be called before ACK or NACK, which is sent only where it says `true`.
   */
  message(message: IMessage, recovered: boolean | undefined, answer?: (refused: boolean) => boolean): void;
  gap(gap: Gap): void;
  live(): void;
  /** What was not acknowledged comes again. */
  takenBack?(): void;
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
  readonly #track: Track;
  readonly #book: Book | undefined;
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
  ) {
    const mode = extra["ack"] ?? "auto";
    this.#book = mode === "auto" ? undefined : new Book(mode === "client", Number(extra["prefetch-count"]));
    this.#track = new Track(mode !== "auto");
  }

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
    const book = this.#book;
    const number = book?.add(message.headers["message-id"] ?? "") ?? 0;
    this.sink.message(message, recovered, book && ((refused) => book.answer(number, refused)));
    return true;
  }

  /** The RECEIPT of the SUBSCRIBE came. */
  confirmed(headers: Headers): void {
    const again = this.#began;
    const recovered = headers["recovered"] === "true";
    const gap = this.#gap(headers["recovered"] === "false" ? "too-old" : "no-history");
    this.#track.confirmed(headers["position"], recovered);
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

  /** The connection is gone, or the subscription is made anew: what was not acknowledged goes back to the server. */
  takenBack(): void {
    if (this.#book === undefined) return;
    this.#track.rewind(this.#book.end());
    this.sink.takenBack?.();
  }

  /** It stands no more. */
  end(error: StompedeError | undefined): void {
    this.sink.end(error);
  }

  #gap(reason: Gap["reason"]): Gap {
    return { destination: this.destination, lastMessageId: this.#track.last, reason };
  }
}
