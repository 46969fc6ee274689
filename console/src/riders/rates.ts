/** Live figures: how many a second, how late. Clocks are passed in. */

const BUCKET_MS = 250;
const BUCKETS = 12;

/** Events per second over the last three seconds. */
export class RateMeter {
  readonly #counts = new Float64Array(BUCKETS);
  #newest = -1;
  #first: number | undefined;

  /** Counts events. The first only start the clock: they belong to the time before it. */
  add(count: number, now: number): void {
    this.#advance(now);
    if (this.#first === undefined) {
      this.#first = now;
      return;
    }
    const index = this.#newest % BUCKETS;
    this.#counts[index] = (this.#counts[index] ?? 0) + count;
  }

  perSecond(now: number): number {
    this.#advance(now);
    if (this.#first === undefined) return 0;
    // A meter that was just started divides by the time it has run, else it would climb for three seconds.
    const window = Math.min(Math.max(now - this.#first, 1000), BUCKET_MS * BUCKETS);
    return this.#counts.reduce((sum, count) => sum + count, 0) / (window / 1000);
  }

  #advance(now: number): void {
    const bucket = Math.floor(now / BUCKET_MS);
    const stale = Math.min(bucket - this.#newest, BUCKETS);
    for (let i = 0; i < stale; i++) this.#counts[(bucket - i) % BUCKETS] = 0;
    if (bucket > this.#newest) this.#newest = bucket;
  }
}

/** The median of the newest samples. */
export class MedianMeter {
  readonly #samples: number[] = [];
  #next = 0;

  constructor(readonly size = 200) {}

  add(sample: number): void {
    this.#samples[this.#next] = sample;
    this.#next = (this.#next + 1) % this.size;
  }

  clear(): void {
    this.#samples.length = 0;
    this.#next = 0;
  }

  /** `undefined` without samples. */
  median(): number | undefined {
    const sorted = this.#samples.toSorted((a, b) => a - b);
    return sorted[sorted.length >> 1];
  }
}
