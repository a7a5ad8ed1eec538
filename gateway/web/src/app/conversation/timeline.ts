import {
  ChangeDetectionStrategy, Component, DestroyRef, ElementRef, OnInit, afterNextRender, afterRenderEffect, computed, effect, inject, input, output, signal, untracked, viewChild,
} from '@angular/core';
import { Chat } from '../core/chat';
import { Notices } from '../core/notices';
import { Notifier } from '../core/notifier';
import { I18n } from '../i18n/i18n';
import { Message, RtsError, RtsRoom, Seq, toRtsError } from '../rts';
import { Icon } from '../ui/icon';
import { LongPress } from '../ui/long-press';
import { Focus } from './focus';
import { MessageView } from './message';
import { MessageSheet } from './message-sheet';
import { Reading, attentive, isCovered, isPassedOver, unreadOf } from './reading';
import { BubbleRow, rowsOf } from './rows';
import { Place, ScrollKeeper } from './scroll-keeper';
import { TimelineWindow } from './timeline-window';

/** Distance from an end at which more history is fetched. */
const AHEAD_PX = 700;
const HIGHLIGHT_MS = 2_000;
/** Position of the unread mark, as a fraction of the height. */
const MARK_PART = 0.25;

/** Positions of rooms that were left away from their end. */
const places = new WeakMap<RtsRoom, Place>();

/** The messages of a room: endless upwards, following at its end, keeping its position elsewhere. */
@Component({
  selector: 'rts-timeline',
  imports: [Icon, LongPress, MessageSheet, MessageView],
  templateUrl: './timeline.html',
  host: { class: 'timeline' },
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class Timeline implements OnInit {
  protected readonly i18n = inject(I18n);
  private readonly chat = inject(Chat);
  private readonly focus = inject(Focus);
  private readonly notices = inject(Notices);
  private readonly notifier = inject(Notifier);
  private readonly scroller = viewChild.required<ElementRef<HTMLElement>>('scroller');
  private readonly content = viewChild.required<ElementRef<HTMLElement>>('content');
  private readonly dividerSeq = signal<Seq | undefined>(undefined);
  private keeper: ScrollKeeper | undefined;
  private frame = 0;
  private place: Place | undefined;
  /** True while the position is being changed, so that intermediate rows do not count as a lost position. */
  private moving = false;

  readonly room = input.required<RtsRoom>();
  readonly reply = output<Message>();
  readonly edit = output<Message>();
  /** Asks to move the focus out of the messages. */
  readonly leave = output();

  protected readonly window = new TimelineWindow(this.room);
  protected readonly title = computed(() => this.chat.title(this.room()));
  protected readonly opened = signal(false);
  protected readonly failed = signal<RtsError | undefined>(undefined);
  protected readonly pageFailed = signal<RtsError | undefined>(undefined);
  protected readonly following = signal(true);
  protected readonly highlighted = signal<Seq | undefined>(undefined);
  /** The row whose actions are shown: under the pointer, or focused. */
  protected readonly hovered = signal<string | undefined>(undefined);
  protected readonly focused = signal<string | undefined>(undefined);
  /** The message whose action sheet is open. */
  protected readonly sheetSeq = signal<Seq | undefined>(undefined);
  protected readonly sheet = computed(() => {
    const message = this.room().timeline.messages().find(({ seq }) => seq === this.sheetSeq());
    return message?.deleted ? undefined : message;
  });
  private readonly visited = signal<string | undefined>(undefined);
  protected readonly rows = computed(() => {
    const outgoing = this.window.atNewest() ? this.room().outgoing() : [];
    return rowsOf(this.window.shown(), outgoing, this.chat.client().userId, this.dividerSeq());
  });
  private readonly bubbles = computed(() => this.rows().filter((row): row is BubbleRow => row.kind === 'message'));
  /** The row that the Tab key reaches. */
  protected readonly tabStop = computed(() => {
    const visited = this.visited();
    return this.bubbles().some((row) => row.key === visited) ? visited : this.bubbles().at(-1)?.key;
  });

  constructor() {
    const destroyed = inject(DestroyRef);
    afterNextRender(() => {
      this.keeper = new ScrollKeeper(this.scroller().nativeElement);
      const sizes = new ResizeObserver(() => this.keeper?.restore());
      [this.scroller(), this.content()].forEach(({ nativeElement }) => sizes.observe(nativeElement));
      const seen = (): void => this.look();
      document.addEventListener('visibilitychange', seen);
      window.addEventListener('focus', seen);
      destroyed.onDestroy(() => {
        this.keepPlace();
        sizes.disconnect();
        document.removeEventListener('visibilitychange', seen);
        window.removeEventListener('focus', seen);
        cancelAnimationFrame(this.frame);
      });
    });
    effect(() => this.notifier.inSight(this.room().roomId, this.following() && this.opened()));
    destroyed.onDestroy(() => this.notifier.inSight(this.room().roomId, false));
    afterRenderEffect(() => {
      this.rows();
      if (this.opened()) {
        untracked(() => this.arrived());
      }
    });
    effect(() => {
      if (this.chat.client().connection.state() === 'online') {
        untracked(() => (this.failed()?.retryable ? void this.begin() : this.look()));
      }
    });
    effect(() => {
      const wish = this.focus.wish();
      if (wish?.roomId === this.room().roomId && this.opened()) {
        untracked(() => {
          this.focus.done();
          void this.show(wish.seq);
        });
      }
    });
  }

  ngOnInit(): void {
    void this.begin();
  }

  /** Opens the room; a failed read is repeated on the next connection, or on demand. */
  protected async begin(): Promise<void> {
    this.failed.set(undefined);
    try {
      await this.open();
    } catch (failure) {
      this.failed.set(toRtsError(failure));
    }
  }

  /** Goes to the newest message. */
  async newest(): Promise<void> {
    const { timeline, history } = this.room();
    if (!timeline.atNewest() && !(await this.move(() => history.newest()))) {
      return;
    }
    this.dividerSeq.set(undefined);
    // A user who goes to the newest message is done with those before it.
    this.room().markRead(timeline.newestSeq ?? 0);
    this.follow(true);
    this.keeper?.restore();
  }

  /** Goes to the message just written, without marking those before it as read. */
  async wrote(): Promise<void> {
    const { timeline, history } = this.room();
    if (this.following() || this.room().unreadCount() === 0) {
      await this.newest();
    } else if (timeline.atNewest() || (await this.move(() => history.newest()))) {
      this.window.follow();
      this.follow(false);
      this.place = undefined;
      this.keeper?.aim(this.bubbles().findLast((row) => row.mine)?.key ?? '', 0.8);
    }
  }

  /** Goes to one message, read from the server if needed, and highlights it briefly. */
  protected async show(seq: Seq): Promise<void> {
    if ((await this.move(() => this.room().history.around(seq))) && this.goTo({ seq, part: 0.35 })) {
      this.highlighted.set(seq);
      setTimeout(() => this.highlighted.set(undefined), HIGHLIGHT_MS);
    }
  }

  /** Shows the actions under the pointer; touch has the sheet instead. */
  protected hover({ pointerType }: PointerEvent, key: string): void {
    if (pointerType !== 'touch') {
      this.hovered.set(key);
    }
  }

  /** Shows the actions only for keyboard focus: after a tap they would stay. */
  protected visit(event: FocusEvent, key: string): void {
    this.focused.set((event.target as HTMLElement).matches(':focus-visible') ? key : undefined);
    this.visited.set(key);
  }

  /** Keeps the row focused while a dialog that it opened is open, so that the focus can return. */
  protected unfocus({ relatedTarget }: FocusEvent): void {
    if ((relatedTarget as HTMLElement | null)?.closest('dialog') == null) {
      this.focused.set(undefined);
    }
  }

  protected press(target: HTMLElement): void {
    const seq = Number(target.closest<HTMLElement>('[data-seq]')?.dataset['seq']);
    this.sheetSeq.set(seq || undefined);
  }

  protected scrolled(): void {
    cancelAnimationFrame(this.frame);
    this.frame = requestAnimationFrame(() => {
      const { keeper } = this;
      if (keeper !== undefined && this.opened()) {
        if (keeper.scrolled) {
          const stays = keeper.following && !keeper.wentUp();
          this.follow(this.window.atNewest() && (stays || keeper.atEnd));
          this.place = keeper.record();
        }
        this.look();
      }
    });
  }

  protected key(event: KeyboardEvent): void {
    if (event.key === 'Escape') {
      event.preventDefault();
      this.leave.emit();
    }
    const article = (event.target as HTMLElement).closest<HTMLElement>('[data-key]');
    const steps: Record<string, number> = { ArrowUp: -1, ArrowDown: 1 };
    const step = steps[event.key];
    if (article !== event.target || step === undefined) {
      return;
    }
    const index = this.bubbles().findIndex((row) => row.key === article?.dataset['key']);
    const next = this.bubbles()[index + step];
    if (next !== undefined) {
      event.preventDefault();
      const element = this.scroller().nativeElement.querySelector<HTMLElement>(`[data-key="${CSS.escape(next.key)}"]`);
      element?.focus({ preventScroll: true });
      element?.scrollIntoView({ block: 'nearest' });
    }
  }

  /** Reads what is needed, then goes to the last position, the first unread message, or the newest. */
  private async open(): Promise<void> {
    const room = this.room();
    const [readSeq, unread, place] = [room.readSeq(), room.unreadCount(), places.get(room)];
    await room.open();
    const returns = place !== undefined && room.timeline.find(place.seq) !== undefined;
    if (!returns && unread > 0) {
      await this.reach(readSeq);
    } else if (!returns && !room.timeline.atNewest()) {
      await room.history.newest();
    }
    if (unread > 0) {
      this.dividerSeq.set(readSeq);
      this.window.around(readSeq);
    }
    const divided = this.rows().some((row) => row.kind === 'unread');
    this.opened.set(true);
    if (place !== undefined && returns) {
      this.goTo(place);
    } else if (divided) {
      this.follow(false);
      this.keeper?.aim('unread', MARK_PART);
    } else {
      this.window.follow();
    }
  }

  private keepPlace(): void {
    if (this.opened() && !this.following() && this.place !== undefined) {
      places.set(this.room(), this.place);
    } else {
      places.delete(this.room());
    }
  }

  /** Reads the messages on both sides of `seq`, if they are not loaded. */
  private async reach(seq: Seq): Promise<void> {
    const { timeline, history } = this.room();
    if (timeline.hasOlder() && (timeline.oldestSeq ?? 0) > seq) {
      await history.around(seq);
    }
    if (!timeline.atNewest() && (timeline.newestSeq ?? 0) <= seq) {
      await (timeline.find(seq) === undefined ? history.around(seq) : history.newer());
    }
  }

  /** Goes to a loaded message; returns false if it is not loaded. */
  private goTo({ seq, part }: Place): boolean {
    const message = this.room().timeline.find(seq);
    if (message === undefined) {
      return false;
    }
    this.window.around(seq);
    this.follow(false);
    this.place = { seq, part };
    const [row] = rowsOf([message], [], this.chat.client().userId, undefined).slice(-1);
    this.keeper?.aim(row?.key ?? '', part);
    return true;
  }

  private async move(read: () => Promise<void>): Promise<boolean> {
    this.moving = true;
    try {
      return await this.notices.attempt(read);
    } finally {
      this.moving = false;
    }
  }

  /** Called when rows have changed: follows new messages, but stops at unseen ones. */
  private arrived(): void {
    this.keeper?.restore();
    if (this.following() && this.isOutrun()) {
      this.stay();
    } else if (!this.moving && !this.following() && this.place !== undefined && this.room().timeline.find(this.place.seq) === undefined) {
      // The messages were reloaded, after an absence too long for a resume.
      const { place } = this;
      void this.move(() => this.room().history.around(place.seq)).then(() => this.goTo(place));
    } else {
      this.look();
    }
  }

  /** True if following has left something unread behind, or nobody is there to read it. */
  private isOutrun(): boolean {
    const reading = this.reading();
    if (reading.unreadCount === 0) {
      return false;
    }
    const [first] = unreadOf(reading);
    return !isCovered(reading) || (first !== undefined && (!attentive() || (this.keeper?.isAbove(first.seq) ?? false)));
  }

  /** Stops at the first unread message. */
  private stay(): void {
    const readSeq = this.room().readSeq();
    const goes = (): void => {
      this.window.around(readSeq);
      this.dividerSeq.set(readSeq);
      this.keeper?.aim('unread', MARK_PART);
    };
    this.follow(false);
    this.place = undefined;
    if (this.moving) {
      return;
    }
    isCovered(this.reading()) ? goes() : void this.move(() => this.reach(readSeq)).then(goes);
  }

  private reading(): Reading {
    const room = this.room();
    const [readSeq, unreadCount] = [room.readSeq(), room.unreadCount()];
    return { shown: this.window.shown(), readSeq, unreadCount, atOldest: this.window.atOldest(), me: this.chat.client().userId };
  }

  private follow(on: boolean): void {
    this.following.set(on);
    if (this.keeper !== undefined) {
      this.keeper.following = on;
    }
    if (on) {
      this.window.follow();
    } else {
      this.window.pin();
    }
  }

  /** Reads more rows near an end, and moves the read mark. */
  protected look(): void {
    const { keeper } = this;
    if (keeper === undefined || !this.opened()) {
      return;
    }
    const reads = attentive() && keeper.settled && !this.moving && (this.following() || !isPassedOver(this.reading(), keeper.topSeq));
    if (reads && !this.following() && keeper.atEnd && this.window.atNewest()) {
      // If everything fits, there is nothing to scroll, and the end is visible at once.
      this.follow(true);
    }
    if (keeper.toTop < AHEAD_PX && !this.window.atOldest()) {
      this.fetch(() => this.window.back());
    } else if (keeper.toEnd < AHEAD_PX && !this.window.atNewest()) {
      this.fetch(() => this.window.forward());
    }
    if (reads && keeper.endSeq > this.room().readSeq()) {
      this.room().markRead(keeper.endSeq);
    }
  }

  /** Reads a page; a failed one is repeated by the next scroll, the next connection, or on demand. */
  private fetch(more: () => Promise<void>): void {
    more().then(
      () => this.pageFailed.set(undefined),
      (failure: unknown) => this.pageFailed.set(toRtsError(failure)),
    );
  }
}
