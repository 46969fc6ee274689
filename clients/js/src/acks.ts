/**
 * Messages of a subscription that came and are not acknowledged.
 *
 * A server gives a message out for one connection: what is not acknowledged when that is lost comes again. A NACK may be
 * lost, too, and so may what it asked for: a refused message counts as unfinished until it comes again. It may also never
 * come, refused once too often: a server gives what it took back before anything new, and no more than the prefetch was on
 * its way, so it is forgotten when twice as many others have come.
 */

const PREFETCH = 32; // the server's own

export class Book {
  readonly #open = new Map<number, string>();
  readonly #refused = new Map<string, number>();
  readonly #patience: number;
  #came = 0;

  /**
   * @param cumulative whether an answer is about all messages before it, too.
   * @param prefetch how many messages may be unacknowledged; the server's own number where it is none.
   */
  constructor(
    private readonly cumulative: boolean,
    prefetch: number,
  ) {
    this.#patience = 2 * (prefetch || PREFETCH);
  }

  /** A message came. @returns its number. */
  add(id: string): number {
    this.#open.set(++this.#came, id);
    this.#refused.delete(id);
    for (const [old, came] of this.#refused) {
      if (this.#came - came <= this.#patience) break;
      this.#refused.delete(old);
    }
    return this.#came;
  }

  /** A message is answered. @returns `false` where it was before, or the server has taken it back. */
  answer(number: number, refused: boolean): boolean {
    if (!this.#open.has(number)) return false;
    for (const [each, id] of [...this.#open]) {
      if (each !== number && !(this.cumulative && each < number)) continue;
      this.#open.delete(each);
      if (!refused) continue;
      this.#refused.delete(id);
      this.#refused.set(id, this.#came);
    }
    return true;
  }

  /** The server takes back what is not acknowledged. @returns the ids of what is to come again. */
  end(): string[] {
    const ids = [...this.#open.values(), ...this.#refused.keys()];
    this.#open.clear();
    this.#refused.clear();
    return ids;
  }
}
