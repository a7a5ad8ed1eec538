import { RoomEvent, Seq } from './contract';

/** What became of an event that was offered to a chain. */
export type Verdict = 'applied' | 'duplicate' | 'gap' | 'foreign';

/** Events held back behind a gap; beyond, a resume brings them anyway. */
const HELD_MAX = 500;

/**
 * The order of one room: lets events through exactly once and in order.
 *
 * Each event names the seq before it. One that names a later seq than the last known waits behind the gap;
 * when the missing events come (late, or by a resume), those that wait follow.
 */
export class Chain {
  private readonly held = new Map<Seq, RoomEvent>();

  constructor(
    private last: Seq,
    private readonly apply: (event: RoomEvent) => void,
  ) {}

  /** The seq of the last event that was let through: what a resume starts from. */
  get lastSeq(): Seq {
    return this.last;
  }

  /** Whether something is missing. */
  get gapped(): boolean {
    return this.held.size > 0;
  }

  /**
   * Offers an event. `foreign` is one that was applied although it does not follow from what is known:
   * the room was rebuilt from storage in between, so what is known should be read again.
   */
  offer(event: RoomEvent): Verdict {
    if (event.seq <= this.last) {
      return 'duplicate';
    }
    if (event.prev > this.last) {
      if (this.held.size < HELD_MAX) {
        this.held.set(event.seq, event);
      }
      return 'gap';
    }
    const verdict = event.prev === this.last ? 'applied' : 'foreign';
    this.pass(event);
    this.release();
    return verdict;
  }

  /** Events of a resume: whole and in order up to `headSeq`. */
  resumed(events: readonly RoomEvent[], headSeq: Seq): void {
    for (const event of events) {
      if (event.seq > this.last) {
        this.pass(event);
      }
    }
    this.last = Math.max(this.last, headSeq);
    this.release();
  }

  /** Starts again at a head whose state is known by other means. */
  restart(headSeq: Seq): void {
    this.last = headSeq;
    this.release();
  }

  private pass(event: RoomEvent): void {
    this.held.delete(event.seq);
    this.last = event.seq;
    this.apply(event);
  }

  private release(): void {
    for (const event of [...this.held.values()].sort((a, b) => a.seq - b.seq)) {
      if (event.seq <= this.last) {
        this.held.delete(event.seq);
      } else if (event.prev <= this.last) {
        this.pass(event);
      }
    }
  }
}
