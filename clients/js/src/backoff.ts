/**
 * How long a client waits before it tries again: exponential back-off with full jitter.
 *
 * A wait is drawn evenly from `[0, bound]`. When a node with many thousand clients stops, that spreads their return over
 * the whole interval (M. Brooker, "Exponential Backoff And Jitter", 2015).
 */

/** When a client comes back after its connection ended. */
export interface Backoff {
  /** Bound of the first wait, in milliseconds. */
  readonly initialMs: number;
  /** Bound that no wait exceeds, in milliseconds. */
  readonly maxMs: number;
  /** By how much the bound grows with each failed attempt. */
  readonly factor: number;
  /** How often in a row it is tried before the client gives up; `Infinity` for ever. */
  readonly attempts: number;
  /** A connection that lived this long, in milliseconds, was good; a shorter one counts as a failed attempt. */
  readonly stableMs: number;
}

export const DEFAULT_BACKOFF: Backoff = { initialMs: 500, maxMs: 30_000, factor: 2, attempts: Infinity, stableMs: 5_000 };

/**
 * The wait before an attempt, in milliseconds.
 *
 * @param attempt counted from 0.
 * @param uniform chance, evenly from [0, 1).
 */
export function delayMs(backoff: Backoff, attempt: number, uniform: () => number): number {
  return Math.min(backoff.maxMs, backoff.initialMs * backoff.factor ** Math.min(attempt, 64)) * uniform();
}
