/** Frames of the client that are not yet done with: waiting to be sent, or sent and waiting for the server's word. */

import type { IMessage } from "@stomp/stompjs";
import { StompedeError } from "./errors.js";

/** What a client calls a request, so that answers and errors can name it. */
export const REQUEST_CODE = "client-request-code";

/** Headers of a frame. */
export type Headers = Readonly<Record<string, string>>;

/** One frame, from the call that made it until the server has spoken about it. */
export class Outgoing {
  /** Its place in the order of sending. */
  number = 0;
  /** Whether it was sent again with a new token already. */
  renewed = false;
  /** Whether nobody waits for it any more. */
  settled = false;
  /** Fulfilled by the RECEIPT or the answer. */
  readonly outcome: Promise<IMessage | undefined>;
  #resolve!: (answer: IMessage | undefined) => void;
  #reject!: (error: StompedeError) => void;

  /**
   * @param receipt its `receipt` header, where the server's word is asked for.
   * @param code its `client-request-code`, where an answer is expected.
   */
  constructor(
    readonly command: "SEND" | "SUBSCRIBE" | "UNSUBSCRIBE",
    readonly headers: Headers,
    readonly body: string | Uint8Array = "",
    readonly receipt?: string,
    readonly code?: string,
  ) {
    this.outcome = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    this.outcome.catch(() => undefined); // not everybody looks
  }

  /** What it counts for in a queue; a letter is taken for a byte. */
  get size(): number {
    let size = 64 + this.body.length;
    for (const [name, value] of Object.entries(this.headers)) size += name.length + value.length + 2;
    return size;
  }

  /** It was taken for done, and is not: it shall be sent again. */
  reopen(): void {
    this.settled = false;
  }

  succeed(answer?: IMessage): void {
    this.settled = true;
    this.#resolve(answer);
  }

  fail(error: StompedeError): void {
    this.settled = true;
    this.#reject(error);
  }
}

/** Frames that wait to be sent, in order, bounded in count and size. */
export class SendQueue {
  readonly #frames: Outgoing[] = [];
  #bytes = 0;
  dropped = 0;

  constructor(
    private readonly maxCount: number,
    private readonly maxBytes: number,
    private readonly whenFull: "reject" | "drop-oldest",
  ) {}

  get length(): number {
    return this.#frames.length;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Adds a frame at the end; by the policy it, or the oldest, fails where there is no room. */
  push(frame: Outgoing): void {
    while (!this.#fits(frame)) {
      const victim = (this.whenFull === "drop-oldest" && this.shift()) || frame;
      this.dropped++;
      victim.fail(new StompedeError("limit-exceeded", "too much waits to be sent already", { destination: victim.headers["destination"] }));
      if (victim === frame) return;
    }
    this.#frames.push(frame);
    this.#bytes += frame.size;
  }

  /** Adds frames before all others. They had their room already, so no bound is asked. */
  putBack(frames: readonly Outgoing[]): void {
    this.#frames.unshift(...frames);
    for (const frame of frames) this.#bytes += frame.size;
  }

  /** The next frame that somebody still wants. */
  shift(): Outgoing | undefined {
    for (;;) {
      const frame = this.#frames.shift();
      if (frame === undefined) return undefined;
      this.#bytes -= frame.size;
      if (!frame.settled) return frame;
    }
  }

  /** Takes a frame out that nobody wants any more. */
  discard(frame: Outgoing): void {
    const index = this.#frames.indexOf(frame);
    if (index < 0) return;
    this.#frames.splice(index, 1);
    this.#bytes -= frame.size;
  }

  #fits(frame: Outgoing): boolean {
    return this.#frames.length < this.maxCount && this.#bytes + frame.size <= this.maxBytes;
  }
}

/**
 * The latest frames that were sent without a receipt, by their `client-request-code`. Nobody confirms them; but where an
 * error names one, it is known what to send again.
 */
export class Unconfirmed {
  readonly #byCode = new Map<string, Outgoing>();
  #bytes = 0;

  constructor(
    private readonly maxCount: number,
    private readonly maxBytes: number,
  ) {}

  /** Keeps a frame; the oldest are forgotten where there are too many. */
  add(frame: Outgoing): void {
    const code = frame.headers[REQUEST_CODE];
    if (code === undefined) return;
    this.#forget(code);
    this.#byCode.set(code, frame);
    this.#bytes += frame.size;
    for (const oldest of this.#byCode.keys()) {
      if (this.#byCode.size <= this.maxCount && this.#bytes <= this.maxBytes) return;
      this.#forget(oldest);
    }
  }

  /** Finds the frame that an error is about, and forgets it. */
  take(code: string | undefined): Outgoing | undefined {
    return this.#forget(code ?? "");
  }

  /** The server has answered a later frame, and so it has handled all before it. */
  handledBefore(number: number): void {
    for (const [code, frame] of this.#byCode) {
      if (frame.number > number) return;
      this.#forget(code);
    }
  }

  clear(): void {
    this.#byCode.clear();
    this.#bytes = 0;
  }

  #forget(code: string): Outgoing | undefined {
    const frame = this.#byCode.get(code);
    if (frame !== undefined) {
      this.#byCode.delete(code);
      this.#bytes -= frame.size;
    }
    return frame;
  }
}

/** Frames that were sent and wait for the server's word, by receipt and by request code; a request has both. */
export class InFlight {
  readonly #byReceipt = new Map<string, Outgoing>();
  readonly #byCode = new Map<string, Outgoing>();

  /** How many wait; each has a receipt. */
  get size(): number {
    return this.#byReceipt.size;
  }

  add(frame: Outgoing): void {
    if (frame.receipt !== undefined) this.#byReceipt.set(frame.receipt, frame);
    if (frame.code !== undefined) this.#byCode.set(frame.code, frame);
  }

  discard(frame: Outgoing): void {
    if (frame.receipt !== undefined) this.#byReceipt.delete(frame.receipt);
    if (frame.code !== undefined) this.#byCode.delete(frame.code);
  }

  /** Finds the frame that a RECEIPT, an answer or an error is about, and forgets it. */
  take(receipt: string | undefined, code: string | undefined): Outgoing | undefined {
    const frame = this.#byReceipt.get(receipt ?? "") ?? this.#byCode.get(code ?? "");
    if (frame !== undefined) this.discard(frame);
    return frame;
  }

  /** Empties the table and returns what was in it, in the order of sending. */
  clear(): Outgoing[] {
    const frames = [...this.#byReceipt.values()];
    this.#byReceipt.clear();
    this.#byCode.clear();
    return frames.sort((one, other) => one.number - other.number);
  }
}
