import { Seq } from './contract';
import { RtsConnection } from './connection';

/** At most one call of a kind per room in this time. */
const EVERY_MS = 800;

/**
 * Tells the server how far a room was received or read: coalesced, monotonic, and again after a failure.
 */
export class Mark {
  private wanted: Seq = 0;
  private told: Seq = 0;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private calling = false;

  constructor(
    private readonly method: 'MarkRead' | 'MarkDelivered',
    private readonly roomId: string,
    private readonly connection: RtsConnection,
  ) {}

  /** The server is known to have this. */
  known(seq: Seq): void {
    this.told = Math.max(this.told, seq);
  }

  set(seq: Seq): void {
    this.wanted = Math.max(this.wanted, seq);
    this.schedule();
  }

  /** Tries again what a lost connection left untold. */
  schedule(): void {
    if (this.wanted > this.told && this.timer === undefined && !this.calling) {
      this.timer = setTimeout(() => void this.tell(), EVERY_MS);
    }
  }

  private async tell(): Promise<void> {
    this.timer = undefined;
    if (this.connection.state() !== 'online' || !this.connection.supports(this.method)) {
      return;
    }
    const seq = this.wanted;
    this.calling = true;
    try {
      await this.connection.invoke(this.method, { roomId: this.roomId, seq });
      this.told = Math.max(this.told, seq);
    } catch {
      // The next mark or the next connection says it again.
    } finally {
      this.calling = false;
    }
    if (this.wanted > seq) {
      this.schedule();
    }
  }
}
