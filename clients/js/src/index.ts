/** `@stompede/client`: see README.md. */

export type { Backoff } from "./backoff.js";
export { type ClientStatistics, connect, type RequestOptions, type SendOptions, StompedeClient } from "./client.js";
export type { Decoding } from "./codec.js";
export { ConnectionEnded, type ErrorFacts, type LocalCode, StompedeError } from "./errors.js";
export type { ClientOptions, ClientState } from "./options.js";
export type { Gap } from "./standing.js";
export { type Message, MessageStream, type StreamOptions, type SubscribeOptions, Subscription } from "./subscription.js";
export type { TokenSupplier } from "./tokens.js";
