/** Where a server sends its client when it ends the connection, and when the client should be there. */

import type { Headers } from "./frames.js";

/** What an ERROR frame says of the next connection. */
export interface Move {
  /** Where to connect; `undefined`: where the client has been told by its user. */
  readonly url: string | undefined;
  /** How long to wait before it; the server has drawn it by chance, so the client adds none. */
  readonly delayMs: number;
}

/** No server makes a client wait for longer. */
const MOST_DELAY_MS = 60_000;

/** Reads the headers of an ERROR frame; `undefined` where they say neither where nor when. */
export function moveFrom(headers: Headers): Move | undefined {
  const url = headers["reconnect-url"] || undefined;
  const delay = headers["reconnect-delay-ms"] ?? "";
  if (/^\d+$/.test(delay)) return { url, delayMs: Math.min(Number(delay), MOST_DELAY_MS) };
  return url === undefined ? undefined : { url, delayMs: 0 };
}

/** Whether a client whose connection to `at` ended may go to `url`: never from an encrypted one to one that is not. */
export function mayFollow(url: string, at: string): boolean {
  const to = protocol(url);
  return to === "wss:" || (to === "ws:" && ["ws:", "http:"].includes(protocol(at) ?? ""));
}

/** @param url may be relative to the page. */
function protocol(url: string): string | undefined {
  try {
    return new URL(url, (globalThis as { location?: { href: string } }).location?.href).protocol;
  } catch {
    return undefined;
  }
}
