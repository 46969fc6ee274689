/** Bodies: JSON unless the content type or the caller says otherwise. */

import type { IMessage } from "@stomp/stompjs";
import { StompedeError } from "./errors.js";

/**
 * What bodies are decoded to: parsed JSON, text, bytes, or what a function makes of a message. `auto` goes by the content
 * type, so that what `send` encoded comes out as it went in: `text/...` is text, `application/octet-stream` bytes, all
 * else JSON.
 */
export type Decoding<T> = "auto" | "json" | "text" | "bytes" | ((message: IMessage) => T);

/** A body as it goes out. */
export interface Encoded {
  readonly body: string | Uint8Array;
  readonly contentType: string | undefined;
}

/** Encodes a body: text and bytes as they are, nothing as nothing, everything else as JSON. */
export function encode(body: unknown): Encoded {
  if (body === undefined) return { body: "", contentType: undefined };
  if (typeof body === "string") return { body, contentType: "text/plain" };
  if (body instanceof Uint8Array) return { body, contentType: "application/octet-stream" };
  return { body: JSON.stringify(body), contentType: "application/json" };
}

/**
 * Decodes a body. JSON is trusted to have the type that the caller names: use a function to check it.
 *
 * @throws StompedeError `invalid-body`.
 */
export function decode<T>(message: IMessage, decoding: Decoding<T>): T {
  try {
    if (typeof decoding === "function") return decoding(message);
    const kind = decoding === "auto" ? kindOf(message.headers["content-type"] ?? "") : decoding;
    if (kind === "bytes") return message.binaryBody as T;
    if (kind === "text") return message.body as T;
    return (message.body === "" ? undefined : JSON.parse(message.body)) as T;
  } catch (error) {
    const destination = message.headers["destination"];
    throw new StompedeError("invalid-body", `a message has an unexpected body: ${String(error)}`, { destination, cause: error });
  }
}

function kindOf(contentType: string): "json" | "text" | "bytes" {
  if (contentType.startsWith("text/")) return "text";
  return contentType === "application/octet-stream" ? "bytes" : "json";
}
