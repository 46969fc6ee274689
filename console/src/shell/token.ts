/** The token that was got on the STOMP tab; the map uses it too. It is kept in memory alone. */

let current: string | undefined;
const listeners = new Set<() => void>();

export function currentToken(): string | undefined {
  return current;
}

export function setToken(token: string | undefined): void {
  if (token === current) return;
  current = token;
  for (const listener of listeners) listener();
}

export function onToken(listener: () => void): void {
  listeners.add(listener);
}

/** The header that carries it, in STOMP and in HTTP alike. */
export function authorization(): Record<string, string> {
  return current === undefined ? {} : { Authorization: `Bearer ${current}` };
}
