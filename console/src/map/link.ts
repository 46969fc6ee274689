/** The map's own connection: reports in, state out, reconnecting for as long as the page is open. */

import { Client, ReconnectionTimeMode, type IMessage, type StompHeaders, type StompSubscription } from "@stomp/stompjs";
import { readBatch, readRider, type Report } from "../riders/wire";

export type LinkState = "connecting" | "live" | "waiting" | "paused";

export interface LinkListener {
  /** Reports from the overview, or from the followed rider's own topic. */
  reports(reports: Report[], source: "overview" | "followed"): void;
  message(): void;
  state(state: LinkState): void;
  /** The node refused something: a sentence for the person in front of the page. */
  refused(detail: string): void;
}

const OVERVIEW = "/topic/riders";
const ERRORS = "/session/queue/request-error";
const FIRST_DELAY_MS = 400;
const LONGEST_DELAY_MS = 15_000;
const CONNECT_TIMEOUT_MS = 8_000;
const HEART_BEAT_MS = 10_000;

export function riderTopic(riderId: number): string {
  return `/topic/rider/${riderId}`;
}

/** Codes that a login mends. */
const LOGIN_HELPS: ReadonlySet<string | undefined> = new Set(["login-required", "token-missing", "token-expired", "token-invalid"]);

function refusal(text: string): string {
  try {
    const { code, detail } = JSON.parse(text) as { code?: string; detail?: string };
    const hint = LOGIN_HELPS.has(code) ? "Log in on the STOMP tab: the map looks with the same token." : "";
    return [detail ?? code, hint].filter(Boolean).join(" ");
  } catch {
    return text;
  }
}

export class RidersLink {
  readonly #client: Client;
  readonly #listener: LinkListener;
  readonly #headers: () => StompHeaders;
  #followed: number | null = null;
  #subscription: StompSubscription | undefined;

  /** @param headers go with CONNECT and SUBSCRIBE: the token, where one is needed to look. */
  constructor(url: string, headers: () => StompHeaders, listener: LinkListener) {
    this.#listener = listener;
    this.#headers = headers;
    this.#client = new Client({
      brokerURL: url,
      connectionTimeout: CONNECT_TIMEOUT_MS,
      heartbeatIncoming: HEART_BEAT_MS,
      heartbeatOutgoing: HEART_BEAT_MS,
      // Pages that lost their node together shall not all come back in the same moment.
      reconnectDelay: FIRST_DELAY_MS * (1 + Math.random()),
      maxReconnectDelay: LONGEST_DELAY_MS,
      reconnectTimeMode: ReconnectionTimeMode.EXPONENTIAL,
      beforeConnect: (client) => {
        client.connectHeaders = headers();
        listener.state("connecting");
      },
      onConnect: () => this.#connected(),
      onStompError: (frame) => listener.refused(frame.headers["message"] ?? "the node closed the connection"),
      onWebSocketClose: () => {
        this.#subscription = undefined;
        if (this.#client.active) listener.state("waiting");
      },
    });
  }

  start(): void {
    this.#client.activate();
  }

  /** Closes the connection until `start()`. */
  async pause(): Promise<void> {
    await this.#client.deactivate();
    this.#listener.state("paused");
  }

  /** Tries again now, instead of waiting for the next attempt. */
  async hurry(): Promise<void> {
    if (!this.#client.active || this.#client.connected) return;
    await this.#client.deactivate({ force: true });
    this.#client.activate();
  }

  /** Connects again, with the headers of now. */
  async renew(): Promise<void> {
    if (!this.#client.active) return;
    await this.#client.deactivate();
    this.#client.activate();
  }

  /** Subscribes to one rider's own topic, or to none. */
  follow(riderId: number | null): void {
    this.#followed = riderId;
    this.#subscription?.unsubscribe();
    this.#subscription = undefined;
    if (riderId === null || !this.#client.connected) return;
    this.#subscription = this.#client.subscribe(riderTopic(riderId), (message) => {
      this.#listener.message();
      const report = readRider(message.body);
      if (report) this.#listener.reports([report], "followed");
    }, this.#headers());
  }

  #connected(): void {
    this.#client.subscribe(ERRORS, (message) => this.#listener.refused(refusal(message.body)));
    this.#client.subscribe(OVERVIEW, (message: IMessage) => {
      this.#listener.message();
      this.#listener.reports(readBatch(message.body), "overview");
    }, this.#headers());
    this.follow(this.#followed);
    this.#listener.state("live");
  }
}
