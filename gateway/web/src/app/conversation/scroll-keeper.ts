import { Seq } from '../rts';

/** Closer to the end than this counts as at the end. */
const END_PX = 48;

/** A message that is looked at, and where on the screen: a part of its height. */
export interface Place {
  seq: Seq;
  part: number;
}

/**
 * Keeps the place in a scrolled list while rows come and go above and below: at the end it stays at the end,
 * elsewhere the row that was on top stays where it is. Rows carry `data-key`.
 */
export class ScrollKeeper {
  private lastTop = 0;
  private anchor: { key: string; top: number } | undefined;
  /** Whether the view moves along with what is new. */
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

  /** Whether the user has scrolled since the last look; what this class does by itself does not count. */
  get scrolled(): boolean {
    return Math.abs(this.scroller.scrollTop - this.lastTop) >= 1;
  }

  /** Whether the view is where it is meant to be; a row that is aimed at may not be drawn yet. */
  get settled(): boolean {
    return this.following || this.anchor === undefined || this.row(this.anchor.key) !== null;
  }

  /** Whether the user went up since the last look; rows that grow below move the end away, not the user. */
  wentUp(): boolean {
    const up = this.scroller.scrollTop < this.lastTop - 1;
    this.lastTop = this.scroller.scrollTop;
    return up && !this.atEnd;
  }

  /** Remembers the place; to be called when the user has scrolled. Returns its message, and how far down it is in parts of the height. */
  record(): Place | undefined {
    const { top } = this.scroller.getBoundingClientRect();
    const row = this.firstVisible();
    this.anchor = row && { key: row.dataset['key'] ?? '', top: row.getBoundingClientRect().top - top };
    return row && this.anchor && { seq: Number(row.dataset['seq']), part: this.anchor.top / this.scroller.clientHeight };
  }

  /** The seq of the first message in sight. */
  get topSeq(): Seq {
    return Number(this.firstVisible()?.dataset['seq'] ?? 0);
  }

  /** The seq of the last message in sight; one on its way has none and does not count. */
  get endSeq(): Seq {
    const { bottom } = this.scroller.getBoundingClientRect();
    const row = this.rows().findLast((each) => each.matches('[data-seq]') && each.getBoundingClientRect().top < bottom - 8);
    return Number(row?.dataset['seq'] ?? 0);
  }

  /** Whether a message begins above what is in sight. */
  isAbove(seq: Seq): boolean {
    const row = this.scroller.querySelector(`[data-seq="${seq}"]`);
    return row !== null && row.getBoundingClientRect().top < this.scroller.getBoundingClientRect().top - 1;
  }

  /** Puts a row at a part of the height, and keeps it there. */
  aim(key: string, part: number): void {
    this.following = false;
    this.anchor = { key, top: this.scroller.clientHeight * part };
    this.restore();
  }

  /** Goes back to the remembered place; to be called when rows or sizes have changed. */
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

  /** Not a day or a mark: those of the top row move along when more rows come above it. */
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
