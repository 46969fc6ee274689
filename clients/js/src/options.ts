/** Everything a client can be told, with its unit and the reason for its default. */

import type { IStompSocket } from "@stomp/stompjs";
import { type Backoff, DEFAULT_BACKOFF } from "./backoff.js";
import type { ConnectionEnded, StompedeError } from "./errors.js";
import { safe } from "./safely.js";
import type { TokenSupplier } from "./tokens.js";

/** What a client is doing. `waiting`: until the next attempt to connect. */
export type ClientState = "idle" | "connecting" | "connected" | "waiting" | "closed";

/** Options of a client; all but `url` may be left out. */
export interface ClientOptions {
  /** WebSocket endpoint, such as `wss://example.org/stomp`; a function is asked for each connection. */
  readonly url: string | (() => string);
  /** Asked for each connection, and when the server says that the token has expired. */
  readonly token?: TokenSupplier;
  /** Further headers of CONNECT, `login` and `passcode` for example. */
  readonly connectHeaders?: Readonly<Record<string, string>>;
  /** When to come back after the connection ended; `false` for never. */
  readonly reconnect?: Partial<Backoff> | false;
  /** Whether to connect once to the URL that a server names when it moves its clients; the token goes there, too. Default `true`. */
  readonly followMoves?: boolean;
  /** What is sent and wanted at least every so many milliseconds; 10 s each finds a dead connection within half a minute. */
  readonly heartbeatMs?: { readonly send: number; readonly receive: number };
  /** Heart-beats by a web worker: browsers slow the timers of hidden pages. Needs `worker-src blob:` where a policy is set. */
  readonly heartbeatWorker?: boolean;
  /** For one attempt from the token to the subscriptions, and for the renewal of a token. Default 10,000. */
  readonly connectTimeoutMs?: number;
  /** For the server to take all that was sent, when the client closes. Default 2,000. */
  readonly closeTimeoutMs?: number;
  /** Longest wait of `send` and `request` for the server's word. Default 30,000. */
  readonly timeoutMs?: number;
  /** Messages that may wait to be sent, while there is no connection or the server is slow. Default 1,000. */
  readonly maxQueued?: number;
  /** Size of their bodies and headers, roughly in bytes. Default 1 MiB. */
  readonly maxQueuedBytes?: number;
  /** What happens beyond that: the new message is refused, or the oldest gives way. Default `reject`. */
  readonly whenFull?: "reject" | "drop-oldest";
  /** Messages and requests that may wait for the server's word; more wait to be sent. Default 1,000. */
  readonly maxInFlight?: number;
  /** Where the server sends soft errors. */
  readonly errorDestination?: string;
  /** Where the server sends answers. */
  readonly replyDestination?: string;
  /** Makes WebSockets where there are none (Node.js before 22), or others than the global ones. */
  readonly webSocketFactory?: (url: string, protocols: string[]) => IStompSocket;
  /** Told of errors that no call waits for. */
  readonly onError?: (error: StompedeError) => void;
  /** Told of each change of the state; with the reason when a connection ended. */
  readonly onState?: (state: ClientState, why?: ConnectionEnded | StompedeError) => void;
  /** Told of every frame, for debugging. Tokens stand in it. */
  readonly debug?: (line: string) => void;
}

/** Options with nothing left out. */
export interface Settings extends Omit<Required<ClientOptions>, "token" | "reconnect" | "webSocketFactory"> {
  readonly token: TokenSupplier | undefined;
  readonly reconnect: Backoff | undefined;
  readonly webSocketFactory: (url: string, protocols: string[]) => IStompSocket;
}

const POSITIVE = ["connectTimeoutMs", "closeTimeoutMs", "timeoutMs", "maxQueued", "maxQueuedBytes", "maxInFlight"] as const;
const NOTHING = (): void => undefined;

/**
 * Fills in what was left out.
 *
 * @throws TypeError an option makes no sense.
 */
export function settings(options: ClientOptions): Settings {
  const { reconnect, token, ...given } = options;
  const { onError, onState } = options;
  const all: Settings = {
    connectHeaders: {},
    followMoves: true,
    heartbeatMs: { send: 10_000, receive: 10_000 },
    heartbeatWorker: false,
    connectTimeoutMs: 10_000,
    closeTimeoutMs: 2_000,
    timeoutMs: 30_000,
    maxQueued: 1_000,
    maxQueuedBytes: 1024 * 1024,
    whenFull: "reject",
    maxInFlight: 1_000,
    errorDestination: "/session/queue/request-error",
    replyDestination: "/session/queue/replies",
    webSocketFactory: (url, protocols) => new WebSocket(url, protocols),
    debug: NOTHING,
    ...given,
    onError: safe(onError ?? ((error) => console.warn("stompede:", error.message))),
    onState: safe(onState ?? NOTHING),
    token,
    reconnect: reconnect === false ? undefined : { ...DEFAULT_BACKOFF, ...reconnect },
  };
  for (const name of POSITIVE) {
    if (!(all[name] > 0)) throw new TypeError(`${name} must be more than 0, is ${all[name]}`);
  }
  return all;
}
