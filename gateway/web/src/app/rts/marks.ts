import { Backoff } from './backoff';
import { Seq } from './contract';
import { RtsConnection } from './connection';
import { toRtsError } from './errors';

/** Time between two calls of one kind in one room. */
const EVERY_MS = 800;

/** Reports to the server how far a room was received or read: coalesced, never backwards, repeated after a failure. */
export class Mark {
  private wanted: Seq = 0;
  private told: Seq = 0;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private calling = false;
  private readonly backoff = new Backoff(EVERY_MS, 30_000);

  constructor(
    private readonly method: 'MarkRead' | 'MarkDelivered',
    private readonly roomId: string,
    private readonly connection: RtsConnection,
  ) {}

  /** Notes that the server has `seq` already. */
  known(seq: Seq): void {
    this.told = Math.max(this.told, seq);
  }

  set(seq: Seq): void {
    this.wanted = Math.max(this.wanted, seq);
    this.schedule();
  }

  /** Schedules a report, if there is something that the server does not know yet. */
  schedule(waitMs = EVERY_MS): void {
    if (this.wanted > this.told && this.timer === undefined && !this.calling) {
      this.timer = setTimeout(() => void this.tell(), waitMs);
    }
  }

  private async tell(): Promise<void> {
    this.timer = undefined;
    if (this.connection.state() !== 'online' || !this.connection.supports(this.method)) {
      return;
    }
    const seq = this.wanted;
    let wait: number | undefined;
    this.calling = true;
    try {
      await this.connection.invoke(this.method, { roomId: this.roomId, seq });
      this.told = Math.max(this.told, seq);
      this.backoff.reset();
    } catch (failure) {
      // A final refusal is not repeated until `seq` moves on; after a lost connection the next one repeats it.
      const error = toRtsError(failure);
      wait = error.retryable ? Math.max(EVERY_MS, this.backoff.after(error.retryAfterMs)) : undefined;
    } finally {
      this.calling = false;
    }
    if (wait !== undefined || this.wanted > seq) {
      this.schedule(wait);
    }
  }
}
