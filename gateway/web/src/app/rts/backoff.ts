/** Growing waits with jitter, so that clients that lost the same node do not all reconnect at once. */
export class Backoff {
  private attempt = 0;

  constructor(
    private readonly firstMs = 300,
    private readonly longestMs = 20_000,
    private readonly random: () => number = Math.random,
  ) {}

  /** Returns the next wait: between half of the current step and all of it. */
  next(): number {
    const step = Math.min(this.longestMs, this.firstMs * 2 ** this.attempt);
    this.attempt = Math.min(this.attempt + 1, 30);
    return step * (0.5 + this.random() / 2);
  }

  /**
   * Returns the next wait after an answer that may carry `retryAfterMs`: at least that time, and up to half more,
   * because other clients got the same number. If the server repeats it, the waits grow all the same.
   */
  after(toldMs: number | undefined): number {
    const again = this.attempt > 0;
    const own = this.next();
    const told = (toldMs ?? 0) * (1 + this.random() / 2);
    return toldMs === undefined || again ? Math.max(own, told) : told;
  }

  reset(): void {
    this.attempt = 0;
  }
}

export const delay = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
