/** A WebSocket that tells about everything that passes through it. */

import { splitMessage } from "./frames";

export type Direction = "in" | "out";

export interface Tap {
  frame(direction: Direction, text: string): void;
  heartBeats(direction: Direction, count: number): void;
  closed(code: number, reason: string): void;
}

/** stompjs sends text and byte arrays, and is sent text and array buffers. */
function asBytes(data: unknown): string | Uint8Array {
  if (typeof data === "string") return data;
  if (ArrayBuffer.isView(data)) return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  return data instanceof ArrayBuffer ? new Uint8Array(data) : "";
}

function pass(tap: Tap, direction: Direction, data: unknown): void {
  const { frames, heartBeats } = splitMessage(asBytes(data));
  for (const frame of frames) tap.frame(direction, frame);
  if (heartBeats > 0) tap.heartBeats(direction, heartBeats);
}

/** Opens a WebSocket; `tap` sees each message before stompjs does, exactly as it is on the wire. */
export function tappedSocket(url: string, protocols: string[], tap: Tap): WebSocket {
  const socket = new WebSocket(url, protocols);
  socket.binaryType = "arraybuffer";
  socket.addEventListener("message", (event) => pass(tap, "in", event.data));
  socket.addEventListener("close", (event) => tap.closed(event.code, event.reason));
  const send = socket.send.bind(socket);
  socket.send = (data) => {
    pass(tap, "out", data);
    send(data);
  };
  return socket;
}
