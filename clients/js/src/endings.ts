/**
 * Why a connection ended, and whether the client may come back.
 *
 * The server says it twice: in the headers `reconnect` and `disconnect-reason` of the ERROR frame, where it could still
 * send one, and by the close code. The header wins.
 */

import { ConnectionEnded } from "./errors.js";

/** The close code that stands for "no close frame came" (RFC 6455 section 7.4.1). */
export const LOST = 1006;

// From the server's table, and RFC 6455 section 7.4.1: coming back unchanged would end in the same way.
const PERMANENT = new Set([1000, 1002, 1003, 1007, 1008, 1009, 1010]);
const STAY_AWAY_FROM = 4500;
const STAY_AWAY_TO = 4999;

/** What an ERROR frame said. */
export interface LastWords {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** Whether a close code invites the client to come back as it is. */
export function mayComeBack(code: number): boolean {
  return !PERMANENT.has(code) && !(code >= STAY_AWAY_FROM && code <= STAY_AWAY_TO);
}

/**
 * How a connection ended.
 *
 * @param code of the close event.
 * @param reason of the close event.
 * @param words of the ERROR frame before it, if one came.
 */
export function ending(code: number, reason: string, words?: LastWords): ConnectionEnded {
  const headers = words?.headers ?? {};
  const header = headers["reconnect"];
  const reconnect = header === "true" || (header !== "false" && mayComeBack(code));
  const name = headers["disconnect-reason"] ?? (reason !== "" ? reason : code === LOST ? "connection-lost" : "closed");
  const detail = headers["message"] ?? words?.body ?? `the connection ended (${code})`;
  return new ConnectionEnded(name, detail, code, reconnect);
}
