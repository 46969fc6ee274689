/** The login API of the node. */

export interface Token {
  readonly token: string;
  readonly expiresAt: string | undefined;
}

function sentence(status: number, body: unknown): string {
  if (status === 404) return "This node has no login (it is not in demo mode). Use a token instead.";
  const problem = typeof body === "object" && body !== null ? (body as Record<string, unknown>) : {};
  const detail = problem["detail"] ?? problem["code"];
  if (typeof detail === "string" && detail !== "") return detail;
  return status === 401 ? "Login or password is wrong." : `The login answered ${status}.`;
}

/** Gets a token by `POST /api/v1/login`; throws an Error that can be shown. */
export async function logIn(login: string, password: string): Promise<Token> {
  const response = await fetch("/api/v1/login", {
    method: "POST",
    headers: { "content-type": "application/json", accept: "application/json" },
    body: JSON.stringify({ login, password }),
  });
  const body: unknown = await response.json().catch(() => undefined);
  const token = (body as Partial<Token> | undefined)?.token;
  if (!response.ok || typeof token !== "string") throw new Error(sentence(response.status, body));
  return { token, expiresAt: (body as Partial<Token>).expiresAt };
}
