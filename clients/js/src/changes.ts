/** Waiting for states, never for events, so that no news can be missed. */

/** Wakes those who wait for a condition whenever something changed. */
export class Changes {
  readonly #waiting = new Set<() => void>();

  /** Something changed: everybody looks again. */
  signal(): void {
    for (const look of [...this.#waiting]) look();
  }

  /**
   * Waits until a condition holds.
   *
   * @param timeoutMs longest wait; without one, for ever.
   * @returns whether it holds; `false` after the longest wait.
   */
  until(condition: () => boolean, timeoutMs?: number): Promise<boolean> {
    if (condition()) return Promise.resolve(true);
    return new Promise((resolve) => {
      const done = (holds: boolean): void => {
        this.#waiting.delete(look);
        clearTimeout(timer);
        resolve(holds);
      };
      const look = (): void => {
        if (condition()) done(true);
      };
      const timer = timeoutMs === undefined ? undefined : setTimeout(() => done(false), timeoutMs);
      this.#waiting.add(look);
    });
  }
}
