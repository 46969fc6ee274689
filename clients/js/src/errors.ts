/**
 * What goes wrong, as the one who calls sees it.
 *
 * - `StompedeError`: a soft error of the server, or one of this client's own (`LocalCode`).
 *   - `ConnectionEnded`: the connection ended, or the client is closed.
 */

/** Codes of errors that this client makes itself; all others are the server's. */
export type LocalCode = "timeout" | "limit-exceeded" | "no-reply" | "invalid-body" | "slow-consumer" | "token-missing" | "closed";

/** Facts that not every error has. */
export interface ErrorFacts {
  /** Under this id the server's log has more. */
  readonly errorId?: string | undefined;
  /** Destination of the frame that could not be served. */
  readonly destination?: string | undefined;
  /** The `client-request-code` of that frame. */
  readonly requestCode?: string | undefined;
  /** What it came from. */
  readonly cause?: unknown;
}

/** A soft error: what was asked for did not happen, and the connection lives on. */
export class StompedeError extends Error {
  override readonly name: string = "StompedeError";
  /** Under this id the server's log has more. */
  readonly errorId: string | undefined;
  /** Destination of the frame that could not be served. */
  readonly destination: string | undefined;
  /** The `client-request-code` of that frame. */
  readonly requestCode: string | undefined;

  /**
   * @param code stable, kebab-case; branch on it.
   * @param detail a sentence for people.
   */
  constructor(
    readonly code: string,
    readonly detail: string,
    facts: ErrorFacts = {},
  ) {
    super(detail === "" ? code : `${code}: ${detail}`, facts.cause === undefined ? undefined : { cause: facts.cause });
    this.errorId = facts.errorId;
    this.destination = facts.destination;
    this.requestCode = facts.requestCode;
  }
}

/**
 * The connection ended. Of a message that was sent and not yet confirmed, nothing is known.
 *
 * `code` is the server's reason (`service-restart`, `login-refused`, ...), `connection-lost`, or `closed`.
 */
export class ConnectionEnded extends StompedeError {
  override readonly name: string = "ConnectionEnded";

  /**
   * @param closeCode of the WebSocket; 1006 where none came.
   * @param reconnect whether the client comes back by itself.
   */
  constructor(
    code: string,
    detail: string,
    readonly closeCode: number,
    readonly reconnect: boolean,
    cause?: unknown,
  ) {
    super(code, detail, { cause });
  }
}
