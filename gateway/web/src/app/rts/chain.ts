import { RoomEvent, Seq } from './contract';

/** The result of offering an event to a chain. */
export type Verdict = 'applied' | 'duplicate' | 'gap' | 'foreign';

/** Limit of events held back behind a gap; a resume delivers the rest. */
const HELD_MAX = 500;

/**
 * Orders the events of one room: each passes exactly once, in order.
 *
 * Each event names the seq before it. An event whose predecessor is missing waits behind the gap; once the missing
 * events arrive (late, or by a resume), the waiting ones follow.
 */
export class Chain {
  private readonly held = new Map<Seq, RoomEvent>();

  constructor(
    private last: Seq,
    private readonly apply: (event: RoomEvent) => void,
  ) {}

  /** The seq of the last event that passed; a resume starts after it. */
  get lastSeq(): Seq {
    return this.last;
  }

  /** True if an event is missing. */
  get gapped(): boolean {
    return this.held.size > 0;
  }

  /**
   * Offers an event. `foreign` means that it was applied although it does not follow the last one: the room was rebuilt
   * from storage in between, so its state should be read again.
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

  /** Applies the events of a resume, which are complete and in order up to `headSeq`. */
  resumed(events: readonly RoomEvent[], headSeq: Seq): void {
    for (const event of events) {
      if (event.seq > this.last) {
        this.pass(event);
      }
    }
    this.last = Math.max(this.last, headSeq);
    this.release();
  }

  /** Restarts at `headSeq`, when the state at that point comes from elsewhere. */
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
