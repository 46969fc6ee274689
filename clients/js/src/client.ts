/** The face of the package. */

import { decode, type Decoding, encode } from "./codec.js";
import { ConnectionEnded, StompedeError } from "./errors.js";
import { type Headers, Outgoing, REQUEST_CODE } from "./frames.js";
import { type ClientOptions, type ClientState, type Settings, settings } from "./options.js";
import { Standing } from "./standing.js";
import { type Message, MessageStream, type StreamOptions, type SubscribeOptions, Subscription } from "./subscription.js";
import { Supervisor } from "./supervisor.js";

/** Options of `send`. */
export interface SendOptions {
  /** Further headers; the message's receivers get them. */
  readonly headers?: Headers;
  /** Longest wait for the server's word, in milliseconds; by default the client's. */
  readonly timeoutMs?: number;
  /** By default what the body is encoded to. */
  readonly contentType?: string;
  /**
   * Whether to wait for the RECEIPT. Without, errors go to the client's `onError`, and where the client has a token the
   * message gets a `client-request-code`, by which it is known what an expired token stopped. Default `true`.
   */
  readonly receipt?: boolean;
}

/** Options of `request`. */
export interface RequestOptions<T> extends Omit<SendOptions, "receipt"> {
  /** How the answer is decoded. Default `auto`. */
  readonly decode?: Decoding<T>;
}

/** Figures of a client. */
export interface ClientStatistics {
  readonly connects: number;
  readonly subscriptions: number;
  readonly queued: number;
  readonly queuedBytes: number;
  readonly inFlight: number;
  readonly sent: number;
  readonly received: number;
  /** Messages that came twice and were dropped. */
  readonly doubles: number;
  /** Messages and answers that nobody waits for any more. */
  readonly undelivered: number;
  readonly softErrors: number;
  /** Messages that were refused for want of room, or gave way. */
  readonly dropped: number;
}

/**
 * A STOMP client that comes back by itself, takes its subscriptions up where they stopped, and renews its token.
 *
 * What a promise is rejected with is always a `StompedeError`.
 */
export class StompedeClient {
  readonly #settings: Settings;
  readonly #supervisor: Supervisor;
  #replies: Standing | undefined;

  /** Starts nothing yet; subscriptions and messages may wait for `open` already. */
  constructor(options: ClientOptions) {
    this.#settings = settings(options);
    this.#supervisor = new Supervisor(this.#settings);
  }

  /**
   * Connects, and keeps connected until `close`.
   *
   * @returns when the first connection stands; meanwhile it is tried again as `reconnect` says.
   * @throws ConnectionEnded the server wants no further attempt, or there are no more.
   */
  async open(): Promise<void> {
    if (this.state === "idle") void this.#supervisor.run();
    await this.#supervisor.courier.changes.until(() => this.state === "connected" || this.state === "closed");
    this.#notClosed();
  }

  /** What the client is doing. */
  get state(): ClientState {
    return this.#supervisor.state;
  }

  /** The server's id of the present, or else the last, session. */
  get sessionId(): string | undefined {
    return this.#supervisor.welcome["session"];
  }

  /** The member that the session belonged to at CONNECT, where the server says it. */
  get userName(): string | undefined {
    return this.#supervisor.welcome["user-name"];
  }

  /** Figures at this moment. */
  statistics(): ClientStatistics {
    const { counts, queue, inFlight, subscriptions } = this.#supervisor.courier;
    return {
      ...counts,
      connects: this.#supervisor.connects,
      subscriptions,
      queued: queue.length,
      queuedBytes: queue.bytes,
      dropped: queue.dropped,
      inFlight: inFlight.size,
    };
  }

  /**
   * Sends a message. It waits where there is no connection.
   *
   * @param body text and bytes go as they are, everything else as JSON.
   * @returns when the server has confirmed it; without a receipt, when it was written.
   * @throws StompedeError the server refused it; or `limit-exceeded`: too much waits already; or `timeout`: no word in
   *   time. A message that still waited is withdrawn; of another one, nothing is known.
   * @throws ConnectionEnded the connection ended before the server confirmed it; nothing is known of it.
   */
  async send(destination: string, body?: unknown, options: SendOptions = {}): Promise<void> {
    const receipt = options.receipt === false ? undefined : this.#supervisor.courier.nextName();
    await this.#outcome(this.#frame(destination, body, options, receipt), options.timeoutMs);
  }

  /**
   * Sends a message and waits for the handler's answer.
   *
   * @throws StompedeError as for `send`; or `no-reply`: the server confirmed the request without an answer.
   * @throws ConnectionEnded as for `send`; the request may have been handled.
   */
  async request<T = unknown>(destination: string, body?: unknown, options: RequestOptions<T> = {}): Promise<T> {
    const { courier } = this.#supervisor;
    this.#notClosed();
    if (this.#replies === undefined) {
      this.#replies = new Standing("replies", this.#settings.replyDestination, {
        message: (answer) => courier.onReply(answer),
        gap: () => undefined,
        live: () => undefined,
        end: (error) => {
          this.#replies = undefined;
          if (error !== undefined && !(error instanceof ConnectionEnded)) this.#settings.onError(error);
        },
      });
      courier.subscribe(this.#replies);
    }
    const frame = this.#frame(destination, body, options, courier.nextName(), courier.nextName());
    const answer = await this.#outcome(frame, options.timeoutMs);
    return decode(answer as NonNullable<typeof answer>, options.decode ?? "auto");
  }

  /**
   * Subscribes; a function is called with each message. It must not wait: its promise is not looked at.
   *
   * The subscription is made anew after each reconnect, and goes on behind the last message where the destination has
   * history; otherwise `onGap` is told.
   */
  subscribe<T = unknown>(
    destination: string,
    onMessage: (message: Message<T>) => void,
    options: SubscribeOptions<T> = {},
  ): Subscription<T> {
    this.#notClosed();
    return new Subscription(this.#supervisor.courier, this.#settings, destination, onMessage, options);
  }

  /** Subscribes; messages wait, bounded, until they are taken: `for await (const message of client.messages("/topic/a"))`. */
  messages<T = unknown>(destination: string, options: StreamOptions<T> = {}): MessageStream<T> {
    this.#notClosed();
    const { maxQueued = 1_000, overflow = "fail" } = options;
    const { courier } = this.#supervisor;
    return new MessageStream<T>(
      (onMessage, ended, takenBack) =>
        new Subscription(courier, this.#settings, destination, onMessage, options, ended, takenBack),
      maxQueued,
      overflow,
    );
  }

  /** Sends what waits, says goodbye, and closes for good: streams end, and what still waits is rejected. */
  async close(): Promise<void> {
    await this.#supervisor.close();
  }

  #frame(destination: string, body: unknown, options: SendOptions, receipt?: string, code?: string): Outgoing {
    this.#notClosed();
    const { courier } = this.#supervisor;
    const { token } = this.#settings;
    const encoded = encode(body);
    const contentType = options.contentType ?? encoded.contentType;
    const headers = {
      ...(contentType !== undefined && { "content-type": contentType }),
      ...(receipt === undefined && token !== undefined && { [REQUEST_CODE]: courier.nextName() }),
      ...options.headers,
      ...(code !== undefined && { [REQUEST_CODE]: code }),
      destination,
    };
    return new Outgoing("SEND", headers, encoded.body, receipt, code);
  }

  async #outcome(frame: Outgoing, timeoutMs = this.#settings.timeoutMs): Promise<Awaited<Outgoing["outcome"]>> {
    const { courier } = this.#supervisor;
    const timer = setTimeout(() => {
      const detail = `no word from the server within ${timeoutMs} ms`;
      frame.fail(new StompedeError("timeout", detail, { destination: frame.headers["destination"] }));
      courier.forget(frame);
    }, timeoutMs);
    try {
      courier.offer(frame);
      return await frame.outcome;
    } finally {
      clearTimeout(timer);
    }
  }

  #notClosed(): void {
    const why = this.#supervisor.closed;
    if (why instanceof ConnectionEnded) throw new ConnectionEnded(why.code, why.detail, why.closeCode, false, why);
    if (why !== undefined) throw new StompedeError(why.code, why.detail, { cause: why });
  }
}

/** A client that is connected; see `StompedeClient.open`. */
export async function connect(options: ClientOptions): Promise<StompedeClient> {
  const client = new StompedeClient(options);
  await client.open();
  return client;
}
