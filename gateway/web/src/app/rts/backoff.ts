/** Growing waits with jitter: many clients that lost the same node must not come back at once. */
export class Backoff {
  private attempt = 0;

  constructor(
    private readonly firstMs = 300,
    private readonly longestMs = 20_000,
    private readonly random: () => number = Math.random,
  ) {}

  /** The next wait: between half of the step and the whole of it. */
  next(): number {
    const step = Math.min(this.longestMs, this.firstMs * 2 ** this.attempt);
    this.attempt = Math.min(this.attempt + 1, 30);
    return step * (0.5 + this.random() / 2);
  }

  /**
   * The next wait where the server may have said how long (`retryAfterMs`): at least that, and up to half more, for
   * it told many the same. When it says so again, the waits grow all the same.
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

/** Resolves after a while. */
export const delay = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
