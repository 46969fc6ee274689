/**
 * The test page's connection: everything that happens is told.
 *
 * Each frame carries the token of the moment. The token may change at any time, the connection stays.
 */

import { Client, Versions, type IFrame, type IMessage, type StompHeaders } from "@stomp/stompjs";
import { authorization } from "../shell/token";
import { tappedSocket, type Tap } from "./tap";

export type SessionState = "off" | "connecting" | "on";

export interface ConnectOptions {
  readonly url: string;
  readonly headers: StompHeaders;
  readonly heartOutMs: number;
  readonly heartInMs: number;
  readonly versions: readonly string[];
}

export interface Outgoing {
  readonly destination: string;
  readonly contentType: string;
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: string;
  readonly withCode: boolean;
  readonly withReceipt: boolean;
}

export interface Subscription {
  readonly id: string;
  readonly destination: string;
  /** Made by the page itself: the answers and errors of this session. */
  readonly own: boolean;
  /** The client-request-code of its SUBSCRIBE. */
  readonly code?: string;
  received: number;
}

export interface SessionListener extends Tap {
  state(state: SessionState, connected?: IFrame): void;
  reply(message: IMessage): void;
  refused(message: IMessage): void;
  /** An ERROR frame: the connection ends. */
  failed(frame: IFrame): void;
  receipt(id: string): void;
  subscriptions(all: readonly Subscription[]): void;
}

export const REPLIES = "/session/queue/replies";
export const ERRORS = "/session/queue/request-error";
const CONNECT_TIMEOUT_MS = 8_000;

export class TesterSession {
  #client: Client | undefined;
  #codes = 0;
  #subscriptionIds = 0;
  readonly #subscriptions = new Map<string, Subscription>();

  constructor(private readonly listener: SessionListener) {}

  get connected(): boolean {
    return this.#client?.connected ?? false;
  }

  connect(options: ConnectOptions): void {
    const versions = new Versions([...options.versions]);
    const client = new Client({
      webSocketFactory: () => tappedSocket(options.url, versions.protocolVersions(), this.listener),
      stompVersions: versions,
      connectHeaders: { ...options.headers, ...authorization() },
      connectionTimeout: CONNECT_TIMEOUT_MS,
      heartbeatOutgoing: options.heartOutMs,
      heartbeatIncoming: options.heartInMs,
      reconnectDelay: 0, // a test page shows that the connection ended; it does not hide it
      onConnect: (frame) => this.#opened(frame),
      onStompError: (frame) => this.listener.failed(frame),
      onUnhandledReceipt: (frame) => this.listener.receipt(frame.headers["receipt-id"] ?? ""),
      onWebSocketClose: () => {
        if (client === this.#client) this.#ended();
      },
    });
    this.#client = client;
    this.listener.state("connecting");
    client.activate();
  }

  /** Says DISCONNECT and closes; a second call does not wait for the answer. */
  async disconnect(): Promise<void> {
    const client = this.#client;
    await client?.deactivate(client.active ? {} : { force: true });
  }

  subscribe(destination: string, own = false): void {
    const id = own ? (destination === ERRORS ? "errors" : "replies") : `sub-${++this.#subscriptionIds}`;
    const code = own ? undefined : this.#nextCode();
    const subscription: Subscription = { id, destination, own, ...(code === undefined ? {} : { code }), received: 0 };
    this.#subscriptions.set(id, subscription);
    this.#client?.subscribe(destination, (message) => this.#received(subscription, message), {
      id,
      // Without a token: an expired one would have its error sent to a channel that nobody subscribed to yet.
      ...(code === undefined ? {} : { ...authorization(), "client-request-code": code }),
    });
    this.#told();
  }

  unsubscribe(id: string): void {
    this.#subscriptions.delete(id);
    this.#client?.unsubscribe(id);
    this.#told();
  }

  /** Sends; returns the client-request-code and the receipt id that went with it. */
  send(outgoing: Outgoing): { code: string | undefined; receipt: string | undefined } {
    const code = outgoing.withCode ? this.#nextCode() : undefined;
    const receipt = outgoing.withReceipt ? `receipt-${++this.#codes}` : undefined;
    const headers: StompHeaders = Object.fromEntries(outgoing.headers);
    this.#client?.publish({
      destination: outgoing.destination,
      body: outgoing.body,
      headers: {
        ...(outgoing.contentType === "" ? {} : { "content-type": outgoing.contentType }),
        ...(code === undefined ? {} : { "client-request-code": code }),
        ...(receipt === undefined ? {} : { receipt }),
        ...authorization(),
        ...headers,
      },
    });
    return { code, receipt };
  }

  #opened(frame: IFrame): void {
    this.subscribe(ERRORS, true);
    this.subscribe(REPLIES, true);
    this.listener.state("on", frame);
  }

  #ended(): void {
    this.#client = undefined;
    this.#subscriptions.clear();
    this.#told();
    this.listener.state("off");
  }

  #received(subscription: Subscription, message: IMessage): void {
    subscription.received++;
    if (subscription.destination === ERRORS) {
      this.#forgetRefused(message.headers["client-request-code"]);
      this.listener.refused(message);
    }
    else if (subscription.destination === REPLIES) this.listener.reply(message);
    this.#told();
  }

  /** A SUBSCRIBE that was refused made no subscription; the list shows what lives. */
  #forgetRefused(code: string | undefined): void {
    for (const { id, code: own } of this.#subscriptions.values()) {
      if (own !== undefined && own === code) this.#subscriptions.delete(id);
    }
  }

  #nextCode(): string {
    return String(++this.#codes);
  }

  #told(): void {
    this.listener.subscriptions([...this.#subscriptions.values()]);
  }
}
