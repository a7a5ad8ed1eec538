import { Signal, computed, signal } from '@angular/core';
import { Message, RtsRoom, Seq } from '../rts';

/** Messages drawn at first, per step, and at most: few enough to stay fast on a phone. */
const FIRST = 80;
const STEP = 60;
const MOST = 240;

/**
 * The drawn part of a room's known messages. Moves with the scroll position and reads more history at its ends, so that
 * thousands of messages cost no more than a few hundred.
 */
export class TimelineWindow {
  private readonly fromSeq = signal<Seq | undefined>(undefined);
  private readonly toSeq = signal<Seq | undefined>(undefined);

  constructor(private readonly room: Signal<RtsRoom>) {}

  private readonly all = computed(() => this.room().timeline.messages());

  private readonly bounds = computed(() => {
    const all = this.all();
    const [from, to] = [this.fromSeq(), this.toSeq()];
    const end = to === undefined ? all.length : count(all, to);
    const start = from === undefined ? Math.max(0, end - FIRST) : count(all, from - 1);
    return { start: Math.min(start, end), end };
  });

  readonly shown = computed(() => this.all().slice(this.bounds().start, this.bounds().end));
  /** True if the window ends at the room's newest message. */
  readonly atNewest = computed(() => this.bounds().end === this.all().length && this.room().timeline.atNewest());
  readonly atOldest = computed(() => this.bounds().start === 0 && !this.room().timeline.hasOlder());

  /** Moves to the newest message and follows it. */
  follow(): void {
    this.fromSeq.set(undefined);
    this.toSeq.set(undefined);
  }

  /** Stops following, so that the visible messages stay. */
  pin(): void {
    if (this.fromSeq() === undefined) {
      this.fromSeq.set(this.shown()[0]?.seq);
    }
  }

  /** Moves to a known message. */
  around(seq: Seq): void {
    const at = count(this.all(), seq);
    this.set(Math.max(0, at - STEP), Math.min(this.all().length, at + STEP));
  }

  /** Shows earlier messages, from the server if none are known. */
  async back(): Promise<void> {
    if (this.bounds().start === 0) {
      if (this.room().history.busy() || !this.room().timeline.hasOlder()) {
        return;
      }
      this.pin();
      await this.room().history.older();
    }
    const start = Math.max(0, this.bounds().start - STEP);
    this.set(start, Math.min(this.bounds().end, start + MOST));
  }

  /** Shows later messages. */
  async forward(): Promise<void> {
    if (this.bounds().end === this.all().length) {
      if (this.room().timeline.atNewest() || this.room().history.busy()) {
        return;
      }
      this.toSeq.set(this.shown().at(-1)?.seq);
      this.pin();
      await this.room().history.newer();
    }
    const end = Math.min(this.all().length, this.bounds().end + STEP);
    this.set(Math.max(this.bounds().start, end - MOST), end);
  }

  private set(start: number, end: number): void {
    const all = this.all();
    this.fromSeq.set(all[start]?.seq);
    this.toSeq.set(end >= all.length ? undefined : all[end - 1]?.seq);
  }
}

/** Returns the number of messages at or before `seq`. */
function count(all: readonly Message[], seq: Seq): number {
  let low = 0;
  let high = all.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((all[middle]?.seq ?? Infinity) <= seq) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}
