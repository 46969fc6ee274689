/** Subscriptions as their user sees them: by a function that is called, or by a stream that is iterated. */

import type { IMessage } from "@stomp/stompjs";
import { decode, type Decoding } from "./codec.js";
import type { Courier } from "./courier.js";
import { StompedeError } from "./errors.js";
import type { Headers } from "./frames.js";
import type { Settings } from "./options.js";
import { safelyTold } from "./safely.js";
import { type Gap, type Sink, Standing } from "./standing.js";

/** One message. */
export interface Message<T> {
  readonly body: T;
  /** Where it was sent; more than the subscription's own where that stands for several. */
  readonly destination: string;
  readonly headers: Headers;
  readonly messageId: string;
  /**
   * On the first message after an interruption only: `true` when nothing is missing before it, `false` when messages may be.
   */
  readonly recovered: boolean | undefined;
  /** Acknowledges it, where the subscription has the header `ack`; once, and over the connection that it came by. */
  ack(): void;
  /** Gives it back, where the subscription has the header `ack`; as for `ack`. */
  nack(): void;
}

/** Options of a subscription. */
export interface SubscribeOptions<T> {
  /** How bodies are decoded. Default `auto`. */
  readonly decode?: Decoding<T>;
  /** Further headers of SUBSCRIBE, `history-last` or `ack` for example. */
  readonly headers?: Headers;
  /** Messages may be missing: fetch the present state anew. */
  readonly onGap?: (gap: Gap) => void;
  /** It ended, refused by the server or with the client; without this, the client's `onError` is told. */
  readonly onEnd?: (error: StompedeError) => void;
}

/** Options of a stream. */
export interface StreamOptions<T> extends SubscribeOptions<T> {
  /** Messages that may wait to be taken. Default 1,000. */
  readonly maxQueued?: number;
  /** What happens beyond that: the stream fails with `slow-consumer`, or the oldest message is dropped. Default `fail`. */
  readonly overflow?: "fail" | "drop-oldest";
}

/** A subscription that lives until it is left or refused; it survives reconnects. */
export class Subscription<T> {
  /** Fulfilled when it is live: nothing that is published from then on is missed. Rejected when the server refuses it. */
  readonly ready: Promise<void>;
  readonly #standing: Standing;
  readonly #refuse: (error: StompedeError) => void;
  #ended = false;

  /** For the client's use. @param ended told of the end in any case. @param takenBack see `Sink`. */
  constructor(
    private readonly courier: Courier,
    settings: Settings,
    readonly destination: string,
    onMessage: (message: Message<T>) => void,
    options: SubscribeOptions<T>,
    ended?: (error: StompedeError | undefined) => void,
    takenBack?: () => void,
  ) {
    let resolve!: () => void;
    let reject!: (error: StompedeError) => void;
    this.ready = new Promise<void>((yes, no) => {
      resolve = yes;
      reject = no;
    });
    this.#refuse = reject;
    this.ready.catch(() => undefined); // onEnd is told, too
    const safely = safelyTold(settings.onError);
    const sink: Sink = {
      message: (frame, recovered, answer) =>
        safely(() => onMessage(message(frame, decode(frame, options.decode ?? "auto"), recovered, answer))),
      gap: (gap) => safely(() => options.onGap?.(gap)),
      live: () => resolve(),
      takenBack: () => takenBack?.(),
      end: (error) => {
        this.#ended = true;
        reject(error ?? new StompedeError("closed", "the client is closed", { destination }));
        ended?.(error);
        if (error !== undefined) safely(() => (options.onEnd ?? (ended ? undefined : settings.onError))?.(error));
      },
    };
    this.#standing = new Standing(courier.nextId(), destination, sink, options.headers);
    courier.subscribe(this.#standing);
  }

  /** Whether it stands no more. */
  get ended(): boolean {
    return this.#ended;
  }

  /** Ends it; fulfilled when no message of it follows. */
  async unsubscribe(): Promise<void> {
    this.#ended = true;
    this.#refuse(new StompedeError("closed", "the subscription was left", { destination: this.destination }));
    await this.courier.unsubscribe(this.#standing);
  }
}

/** A subscription to be iterated: `for await (const message of stream)`. Leaving the loop ends the subscription. */
export class MessageStream<T> implements AsyncIterableIterator<Message<T>> {
  /** How many messages `drop-oldest` dropped. */
  dropped = 0;
  readonly #subscription: Subscription<T>;
  readonly #queue: Message<T>[] = [];
  readonly #takers: { resolve: (result: IteratorResult<Message<T>>) => void; reject: (error: StompedeError) => void }[] = [];
  #failure: StompedeError | undefined;
  #done = false;

  /** For the client's use. @param subscribe makes the subscription that feeds it. */
  constructor(
    subscribe: (
      onMessage: (message: Message<T>) => void,
      ended: (error: StompedeError | undefined) => void,
      takenBack: () => void,
    ) => Subscription<T>,
    private readonly maxQueued: number,
    private readonly overflow: "fail" | "drop-oldest",
  ) {
    this.#subscription = subscribe(
      (one) => this.#push(one),
      (error) => this.#end(error),
      () => void this.#queue.splice(0),
    );
  }

  /** See `Subscription.ready`. */
  get ready(): Promise<void> {
    return this.#subscription.ready;
  }

  /** The next message; done after `unsubscribe`. Rejected, behind what is queued, when the subscription failed. */
  next(): Promise<IteratorResult<Message<T>>> {
    const first = this.#queue.shift();
    if (first !== undefined) return Promise.resolve({ value: first, done: false });
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    if (this.#done || this.#subscription.ended) return Promise.resolve({ value: undefined, done: true });
    return new Promise((resolve, reject) => this.#takers.push({ resolve, reject }));
  }

  /** Ends the subscription; called by a loop that is left. */
  async return(): Promise<IteratorResult<Message<T>>> {
    await this.unsubscribe();
    return { value: undefined, done: true };
  }

  /** Ends the subscription; what is queued can still be taken. */
  async unsubscribe(): Promise<void> {
    this.#end(undefined);
    await this.#subscription.unsubscribe();
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  #push(one: Message<T>): void {
    if (this.#done) return;
    const taker = this.#takers.shift();
    if (taker !== undefined) return taker.resolve({ value: one, done: false });
    if (this.#queue.length >= this.maxQueued) {
      if (this.overflow === "fail") {
        const detail = `${this.#queue.length} messages wait to be taken (maxQueued)`;
        this.#end(new StompedeError("slow-consumer", detail, { destination: one.destination }));
        void this.#subscription.unsubscribe();
        return;
      }
      const gone = this.#queue.shift();
      this.dropped++;
      // What was said about a gap must still be said, on the message that is now the first.
      const heir = this.#queue.shift() ?? one;
      const said = heir.recovered ?? gone?.recovered;
      if (heir === one) return void this.#queue.push({ ...one, recovered: said });
      this.#queue.unshift({ ...heir, recovered: said });
    }
    this.#queue.push(one);
  }

  #end(error: StompedeError | undefined): void {
    if (this.#done) return;
    this.#done = true;
    this.#failure = error;
    for (const taker of this.#takers.splice(0)) {
      if (error === undefined) taker.resolve({ value: undefined, done: true });
      else taker.reject(error);
    }
  }
}

function message<T>(
  frame: IMessage,
  body: T,
  recovered: boolean | undefined,
  answer: (refused: boolean) => boolean = () => true,
): Message<T> {
  const { headers } = frame;
  return {
    body,
    destination: headers["destination"] ?? "",
    headers,
    messageId: headers["message-id"] ?? "",
    recovered,
    ack: () => void (answer(false) && frame.ack()),
    nack: () => void (answer(true) && frame.nack()),
  };
}
