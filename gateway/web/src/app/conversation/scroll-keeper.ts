/** Closer to the end than this counts as at the end. */
const END_PX = 48;

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

  /** Whether the user went up since the last look; rows that grow below move the end away, not the user. */
  wentUp(): boolean {
    const up = this.scroller.scrollTop < this.lastTop - 1;
    this.lastTop = this.scroller.scrollTop;
    return up && !this.atEnd;
  }

  /** Remembers the place; to be called when the user has scrolled. */
  record(): void {
    const { top } = this.scroller.getBoundingClientRect();
    // Not a day or a mark: those of the top row move along when more rows come above it.
    const row = this.rows().find((each) => each.matches('[data-seq]') && each.getBoundingClientRect().bottom > top);
    this.anchor = row && { key: row.dataset['key'] ?? '', top: row.getBoundingClientRect().top - top };
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
    const row = anchor && this.scroller.querySelector<HTMLElement>(`[data-key="${CSS.escape(anchor.key)}"]`);
    if (anchor && row) {
      const moved = row.getBoundingClientRect().top - this.scroller.getBoundingClientRect().top - anchor.top;
      if (Math.abs(moved) >= 1) {
        this.scroller.scrollTop += moved;
      }
    }
  }

  /** The key of the last row that can be seen. */
  lastVisible(): string | undefined {
    const { bottom } = this.scroller.getBoundingClientRect();
    return this.rows().findLast((row) => row.getBoundingClientRect().top < bottom - 8)?.dataset['key'];
  }

  private rows(): HTMLElement[] {
    return [...this.scroller.querySelectorAll<HTMLElement>('[data-key]')];
  }
}
