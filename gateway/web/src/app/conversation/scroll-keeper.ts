import { Seq } from '../rts';

/** Distance from the end that still counts as the end. */
const END_PX = 48;

/** The message in view, and its offset as a fraction of the height. */
export interface Place {
  seq: Seq;
  part: number;
}

/**
 * Keeps the scroll position while rows are added and removed: at the end it stays at the end, elsewhere the top row
 * stays in place. Rows carry `data-key`.
 */
export class ScrollKeeper {
  private lastTop = 0;
  private anchor: { key: string; top: number } | undefined;
  /** True if the view follows new rows. */
  following = true;

  constructor(private readonly scroller: HTMLElement) {}

  get toTop(): number {
    return this.scroller.scrollTop;
  }

  get toEnd(): number {
    return this.scroller.scrollHeight - this.scroller.scrollTop - this.scroller.clientHeight;
  }

  get atEnd(): boolean {
    return this.toEnd < END_PX;
  }

  /** True if the user has scrolled since the last look; scrolling by this class does not count. */
  get scrolled(): boolean {
    return Math.abs(this.scroller.scrollTop - this.lastTop) >= 1;
  }

  /** True if the view is at its target; the target row may not be drawn yet. */
  get settled(): boolean {
    return this.following || this.anchor === undefined || this.row(this.anchor.key) !== null;
  }

  /** True if the user scrolled up since the last look. Rows that grow below move the end, not the view. */
  wentUp(): boolean {
    const up = this.scroller.scrollTop < this.lastTop - 1;
    this.lastTop = this.scroller.scrollTop;
    return up && !this.atEnd;
  }

  /**
   * Remembers the position; called after the user has scrolled. Returns the top message and its offset, as a fraction
   * of the height.
   */
  record(): Place | undefined {
    const { top } = this.scroller.getBoundingClientRect();
    const row = this.firstVisible();
    this.anchor = row && { key: row.dataset['key'] ?? '', top: row.getBoundingClientRect().top - top };
    return row && this.anchor && { seq: Number(row.dataset['seq']), part: this.anchor.top / this.scroller.clientHeight };
  }

  /** The seq of the first visible message. */
  get topSeq(): Seq {
    return Number(this.firstVisible()?.dataset['seq'] ?? 0);
  }

  /** The seq of the last visible message; one being sent has none and does not count. */
  get endSeq(): Seq {
    const { bottom } = this.scroller.getBoundingClientRect();
    const row = this.rows().findLast((each) => each.matches('[data-seq]') && each.getBoundingClientRect().top < bottom - 8);
    return Number(row?.dataset['seq'] ?? 0);
  }

  /** True if a message begins above the visible part. */
  isAbove(seq: Seq): boolean {
    const row = this.scroller.querySelector(`[data-seq="${seq}"]`);
    return row !== null && row.getBoundingClientRect().top < this.scroller.getBoundingClientRect().top - 1;
  }

  /** Scrolls a row to a fraction of the height, and keeps it there. */
  aim(key: string, part: number): void {
    this.following = false;
    this.anchor = { key, top: this.scroller.clientHeight * part };
    this.restore();
  }

  /** Returns to the remembered position; called when rows or sizes have changed. */
  restore(): void {
    if (this.following) {
      this.scroller.scrollTop = this.scroller.scrollHeight;
      this.lastTop = this.scroller.scrollTop;
      return;
    }
    const { anchor } = this;
    const row = anchor && this.row(anchor.key);
    if (anchor && row) {
      const moved = row.getBoundingClientRect().top - this.scroller.getBoundingClientRect().top - anchor.top;
      if (Math.abs(moved) >= 1) {
        this.scroller.scrollTop += moved;
        this.lastTop = this.scroller.scrollTop;
      }
    }
  }

  /** Skips days and marks: those of the top row move when rows are added above it. */
  private firstVisible(): HTMLElement | undefined {
    const { top } = this.scroller.getBoundingClientRect();
    return this.rows().find((each) => each.matches('[data-seq]') && each.getBoundingClientRect().bottom > top);
  }

  private row(key: string): HTMLElement | null {
    return this.scroller.querySelector<HTMLElement>(`[data-key="${CSS.escape(key)}"]`);
  }

  private rows(): HTMLElement[] {
    return [...this.scroller.querySelectorAll<HTMLElement>('[data-key]')];
  }
}
