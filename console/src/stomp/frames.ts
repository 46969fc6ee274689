/** STOMP frames as the frame log shows them: cut out of WebSocket messages, and taken apart. */

export interface ParsedFrame {
  readonly command: string;
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: string;
}

export interface Split {
  readonly frames: readonly string[];
  /** Line ends between frames: heart-beats. */
  readonly heartBeats: number;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const NUL = 0;
const LF = 10;
const CR = 13;

function headEnd(bytes: Uint8Array, start: number): number {
  for (let at = bytes.indexOf(LF, start); at !== -1; at = bytes.indexOf(LF, at + 1)) {
    if (bytes[at + 1] === LF) return at + 2;
    if (bytes[at + 1] === CR && bytes[at + 2] === LF) return at + 3;
  }
  return -1;
}

/** Index behind the frame that starts at `start`: by its content-length, else by the first NUL. */
function frameEnd(bytes: Uint8Array, start: number): number {
  const body = headEnd(bytes, start);
  const firstNul = bytes.indexOf(NUL, start);
  if (body !== -1 && (firstNul === -1 || body <= firstNul)) {
    const head = decoder.decode(bytes.subarray(start, body));
    const length = /^content-length:[ ]*(\d+)\r?$/m.exec(head)?.[1];
    if (length !== undefined && bytes[body + Number(length)] === NUL) return body + Number(length) + 1;
  }
  return firstNul === -1 ? bytes.length : firstNul + 1;
}

/** Cuts one WebSocket message into its frames (the closing NUL left out) and heart-beats. */
export function splitMessage(data: string | Uint8Array): Split {
  const bytes = typeof data === "string" ? encoder.encode(data) : data;
  const frames: string[] = [];
  let lineEnds = 0;
  let at = 0;
  while (at < bytes.length) {
    if (bytes[at] === LF || bytes[at] === CR) {
      if (bytes[at] === LF) lineEnds++;
      at++;
      continue;
    }
    const end = frameEnd(bytes, at);
    frames.push(decoder.decode(bytes.subarray(at, bytes[end - 1] === NUL ? end - 1 : end)));
    at = end;
    // One line end after a frame belongs to it by custom, and is no heart-beat.
    if (bytes[at] === CR && bytes[at + 1] === LF) at += 2;
    else if (bytes[at] === LF) at++;
  }
  return { frames, heartBeats: lineEnds };
}

function unescape(text: string): string {
  return text.replace(/\\(r|n|c|\\)/g, (_, code: string) => ({ r: "\r", n: "\n", c: ":" })[code] ?? "\\");
}

/** Takes the text of one frame apart. */
export function parseFrame(text: string): ParsedFrame {
  const gap = /\r?\n\r?\n/.exec(text);
  const head = gap ? text.slice(0, gap.index) : text;
  const [command = "", ...lines] = head.split(/\r?\n/);
  const headers = lines.map((line): [string, string] => {
    const colon = line.indexOf(":");
    return colon === -1 ? [unescape(line), ""] : [unescape(line.slice(0, colon)), unescape(line.slice(colon + 1))];
  });
  return { command, headers, body: gap ? text.slice(gap.index + gap[0].length) : "" };
}

/** First value of a header, which is the one that counts. */
export function header(frame: ParsedFrame, name: string): string | undefined {
  return frame.headers.find(([key]) => key === name)?.[1];
}
