/** Messages on the error destination. */

import type { IMessage } from "@stomp/stompjs";
import { StompedeError } from "./errors.js";

/** Reads a soft error; one that is not what it should be becomes `handler-failed`. */
export function readSoftError(message: IMessage): StompedeError {
  let said: Readonly<Record<string, unknown>> = {};
  try {
    said = Object(JSON.parse(message.body)) as Readonly<Record<string, unknown>>;
  } catch {
    said = { detail: message.body };
  }
  const text = (name: string): string | undefined => (typeof said[name] === "string" ? said[name] : undefined);
  return new StompedeError(text("code") ?? "handler-failed", text("detail") ?? "", {
    errorId: text("errorId") ?? message.headers["error-id"],
    destination: text("destination"),
    requestCode: message.headers["client-request-code"] ?? text("clientRequestCode"),
  });
}
