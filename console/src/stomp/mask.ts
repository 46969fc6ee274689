/** Nothing that opens a door is shown: not in the log, not in what is copied from it. */

const SECRET_HEADERS = /^(authorization|passcode|x-auth-token|token)$/i;
/** Three base64url parts with dots between, the first a JSON object: a JWT, wherever it stands. */
const JWT = /\beyJ[\w-]{5,}\.[\w-]+\.[\w-]*/g;
const SHOWN = 6;

/** The first few characters and the length. Short secrets show nothing at all. */
export function maskSecret(secret: string): string {
  return secret.length > 4 * SHOWN ? `${secret.slice(0, SHOWN)}… (${secret.length} characters)` : "•••";
}

function maskHeader(line: string): string {
  const colon = line.indexOf(":");
  if (colon === -1 || !SECRET_HEADERS.test(line.slice(0, colon).trim())) return line;
  const value = line.slice(colon + 1);
  const scheme = /^\s*(Bearer|Basic)\s+/i.exec(value);
  return scheme
    ? `${line.slice(0, colon)}:${scheme[0]}${maskSecret(value.slice(scheme[0].length))}`
    : `${line.slice(0, colon)}:${maskSecret(value)}`;
}

/** The text of a frame without its secrets: headers that carry one, and tokens anywhere in the body. */
export function maskFrame(text: string): string {
  const gap = text.search(/\r?\n\r?\n/);
  const head = gap === -1 ? text : text.slice(0, gap);
  const masked = head.split("\n").map((line, index) => (index === 0 ? line : maskHeader(line))).join("\n");
  return (masked + (gap === -1 ? "" : text.slice(gap))).replace(JWT, maskSecret);
}
