/**
 * How far a subscription has read.
 *
 * In a destination with history a `message-id` is a position, `epoch-offset`. Only the `position` header on the RECEIPT of
 * the SUBSCRIBE says that it is one: ids elsewhere may look alike.
 *
 * Offsets are compared as decimal texts, exact at any length.
 */

interface Position {
  readonly epoch: string;
  readonly offset: string;
}

const POSITION = /^([0-9a-z]+)-([0-9]+)$/;

function parse(id: string | undefined): Position | undefined {
  const [, epoch, offset] = POSITION.exec(id ?? "") ?? [];
  return epoch === undefined || offset === undefined ? undefined : { epoch, offset: offset.replace(/^0+(?=.)/, "") };
}

function notAfter(one: string, other: string): boolean {
  return one.length === other.length ? one <= other : one.length < other.length;
}

function before({ epoch, offset }: Position): Position {
  return { epoch, offset: offset === "0" ? offset : String(BigInt(offset) - 1n) };
}

/** The reading position of one subscription, over all its connections. */
export class Track {
  #positional = false;
  #seen: Position | undefined;
  #seenId: string | undefined;
  #base: string | undefined;
  #fresh = true;

  /** @param acknowledged whether its messages are acknowledged: one may come again on purpose. */
  constructor(private readonly acknowledged = false) {}

  /** Value of `recover-from`; `undefined` where there is nothing to recover from. */
  get from(): string | undefined {
    return this.#positional ? (this.#seenId ?? this.#base) : undefined;
  }

  /** The `message-id` of the last message. */
  get last(): string | undefined {
    return this.#seenId;
  }

  /** A SUBSCRIBE goes out; nothing has come of it yet. */
  begin(): void {
    this.#fresh = true;
  }

  /** Takes note of a message; `false` where it came before. */
  accept(id: string | undefined): boolean {
    const position = parse(id);
    const seen = this.#seen;
    if (this.#positional && position && seen && position.epoch === seen.epoch && notAfter(position.offset, seen.offset)) {
      return this.acknowledged;
    }
    this.#fresh = false;
    this.#seen = position;
    this.#seenId = id;
    return true;
  }

  /** The connection is lost, and these messages were not answered: they, and what came after them, come again. */
  rewind(ids: readonly string[]): void {
    for (const id of ids) {
      const position = parse(id);
      if (position === undefined || position.epoch !== this.#seen?.epoch || !notAfter(position.offset, this.#seen.offset)) continue;
      this.#seen = before(position);
      this.#seenId = `${this.#seen.epoch}-${this.#seen.offset}`;
    }
  }

  /**
   * The RECEIPT of the SUBSCRIBE came.
   *
   * @param position its header: where the stream stood when the subscription went live.
   * @param recovered whether all that was missed comes, or came.
   */
  confirmed(position: string | undefined, recovered: boolean): void {
    this.#positional = parse(position) !== undefined;
    // What is still to come lies before `position`: only what arrives moves the track then.
    if (recovered || !this.#fresh) return;
    this.#seen = undefined;
    this.#seenId = undefined;
    this.#base = position;
  }
}
