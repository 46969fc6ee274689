/** Where the client's token comes from. */

import { StompedeError } from "./errors.js";

/** Gives a token; asked for each connection, and when the server says that the last one has expired. */
export type TokenSupplier = () => string | Promise<string>;

/**
 * Asks for a token.
 *
 * @returns the value of the `Authorization` header; `undefined` for an anonymous client.
 * @throws StompedeError `token-missing`: the supplier failed, was too slow, or gave something else.
 */
export async function authorization(supplier: TokenSupplier | undefined, timeoutMs: number): Promise<string | undefined> {
  if (supplier === undefined) return undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no token within ${timeoutMs} ms`)), timeoutMs);
  });
  try {
    return bearer(await Promise.race([supplier(), late]));
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new StompedeError("token-missing", `the token supplier failed: ${why}`, { cause: error });
  } finally {
    clearTimeout(timer);
  }
}

/** The header for a token (RFC 6750 section 2.1). */
function bearer(token: unknown): string {
  // A line end in it would end the header: CONNECT has no escapes.
  if (typeof token !== "string" || !/^[\x21-\x7e]+$/.test(token)) throw new TypeError("a token is ASCII without blanks");
  return `Bearer ${token}`;
}
