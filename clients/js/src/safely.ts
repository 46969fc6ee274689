/** Calling what users wrote: what it does wrong must not cost the connection. */

import { StompedeError } from "./errors.js";

/** Throws an error where no frame of ours is on the stack: it reaches `window.onerror`, or ends a Node.js process, as ever. */
function throwLater(error: unknown): void {
  setTimeout(() => {
    throw error;
  });
}

/** A user's function that throws nothing. */
export function safe<A extends unknown[]>(call: (...values: A) => void): (...values: A) => void {
  return (...values) => {
    try {
      call(...values);
    } catch (error) {
      throwLater(error);
    }
  };
}

/** Like `safe`, but tells `onError` of errors of ours. */
export function safelyTold(onError: (error: StompedeError) => void): (run: () => void) => void {
  return (run) => {
    try {
      run();
    } catch (error) {
      if (error instanceof StompedeError) onError(error);
      else throwLater(error);
    }
  };
}
