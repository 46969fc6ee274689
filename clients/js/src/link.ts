/** One connection: a stompjs client that never comes back by itself; that is the supervisor's part. */

import { Client, type IMessage, type IStompSocket, TickerStrategy, Versions } from "@stomp/stompjs";
import { ending, type LastWords, LOST } from "./endings.js";
import type { ConnectionEnded } from "./errors.js";
import type { Headers, Outgoing } from "./frames.js";
import { type Move, moveFrom } from "./moves.js";
import type { Settings } from "./options.js";

/** What a link tells the one above it, as it happens. */
export interface LinkEvents {
  opened(headers: Headers): void;
  message(message: IMessage): void;
  receipt(headers: Headers): void;
  /** The last call; comes once. */
  ended(why: ConnectionEnded, move?: Move): void;
}

/** Unsent bytes in the socket from which on nothing more is written to it. */
const FULL_BYTES = 1024 * 1024;

export class Link {
  readonly #client: Client;
  readonly #socket: IStompSocket;
  readonly #events: LinkEvents;
  #words: LastWords | undefined;
  #discarded = false;
  #ended = false;

  /**
   * Starts to connect.
   *
   * @param url WebSocket endpoint.
   * @param authorization header of CONNECT.
   * @throws unknown whatever the WebSocket's constructor throws.
   */
  constructor(settings: Settings, url: string, authorization: string | undefined, events: LinkEvents) {
    this.#events = events;
    // Made here, since stompjs would let nobody catch what the constructor throws.
    this.#socket = settings.webSocketFactory(url, Versions.default.protocolVersions());
    this.#client = new Client({
      webSocketFactory: () => this.#socket,
      connectHeaders: { ...settings.connectHeaders, ...(authorization !== undefined && { Authorization: authorization }) },
      reconnectDelay: 0,
      heartbeatOutgoing: settings.heartbeatMs.send,
      heartbeatIncoming: settings.heartbeatMs.receive,
      heartbeatStrategy: settings.heartbeatWorker ? TickerStrategy.Worker : TickerStrategy.Interval,
      // A dead connection answers no close frame: waiting for it would take minutes.
      discardWebsocketOnCommFailure: true,
      debug: settings.debug,
      onConnect: (frame) => events.opened(frame.headers),
      onStompError: (frame) => (this.#words = { headers: frame.headers, body: frame.body }),
      onHeartbeatLost: () => (this.#discarded = true),
      onUnhandledMessage: (message) => events.message(message),
      onUnhandledReceipt: (frame) => events.receipt(frame.headers),
      onWebSocketClose: (event: { code?: number; reason?: string } | undefined) => this.#onClose(event),
    });
    this.#client.activate();
  }

  /** Whether frames can be written. */
  get open(): boolean {
    return !this.#ended && this.#client.connected;
  }

  /** Whether the socket holds so much unsent that writing more would only fill memory. */
  get full(): boolean {
    return ((this.#client.webSocket as { bufferedAmount?: number } | undefined)?.bufferedAmount ?? 0) > FULL_BYTES;
  }

  /** Writes one frame. @param authorization header of it. */
  send(frame: Outgoing, authorization?: string): void {
    const headers: Record<string, string> = { ...frame.headers };
    if (frame.receipt !== undefined) headers["receipt"] = frame.receipt;
    if (authorization !== undefined) headers["Authorization"] = authorization;
    const { destination = "", id = "" } = headers;
    if (frame.command === "UNSUBSCRIBE") this.#client.unsubscribe(id, headers);
    else if (frame.command === "SUBSCRIBE") this.#client.subscribe(destination, (message) => this.#events.message(message), headers);
    else if (typeof frame.body === "string") this.#client.publish({ destination, headers, body: frame.body });
    else this.#client.publish({ destination, headers, binaryBody: frame.body });
  }

  /** Sends DISCONNECT and closes once the server has taken all; `LinkEvents.ended` follows. */
  close(): void {
    void this.#client.deactivate();
  }

  /** Ends it at once; `LinkEvents.ended` follows. */
  discard(): void {
    this.#discarded = true;
    void this.#client.deactivate({ force: true });
    this.#socket.close(); // stompjs may not have looked at it yet
    this.#onClose(undefined);
  }

  #onClose(event: { code?: number; reason?: string } | undefined): void {
    if (this.#ended) return;
    this.#ended = true;
    void this.#client.deactivate();
    // What stompjs says of a socket that it threw away is not the server's word.
    const code = this.#discarded ? LOST : (event?.code ?? LOST);
    const move = this.#words && moveFrom(this.#words.headers);
    this.#events.ended(ending(code, this.#discarded ? "" : (event?.reason ?? ""), this.#words), move);
  }
}
