import {
  ChangeDetectionStrategy, Component, DestroyRef, ElementRef, OnInit, afterNextRender, afterRenderEffect, computed, effect, inject, input, output, signal, untracked, viewChild,
} from '@angular/core';
import { Chat } from '../core/chat';
import { Notices } from '../core/notices';
import { I18n } from '../i18n/i18n';
import { Message, RtsRoom, Seq } from '../rts';
import { Icon } from '../ui/icon';
import { Focus } from './focus';
import { MessageView } from './message';
import { BubbleRow, rowsOf } from './rows';
import { ScrollKeeper } from './scroll-keeper';
import { TimelineWindow } from './timeline-window';

/** History is fetched this far before one reaches it. */
const AHEAD_PX = 700;
const HIGHLIGHT_MS = 2_000;

/** The messages of a room: endless upwards, following at its end, keeping its place elsewhere. */
@Component({
  selector: 'rts-timeline',
  imports: [Icon, MessageView],
  templateUrl: './timeline.html',
  host: { class: 'timeline' },
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class Timeline implements OnInit {
  protected readonly i18n = inject(I18n);
  private readonly chat = inject(Chat);
  private readonly focus = inject(Focus);
  private readonly notices = inject(Notices);
  private readonly scroller = viewChild.required<ElementRef<HTMLElement>>('scroller');
  private readonly content = viewChild.required<ElementRef<HTMLElement>>('content');
  private readonly dividerSeq = signal<Seq | undefined>(undefined);
  private keeper: ScrollKeeper | undefined;
  private frame = 0;

  readonly room = input.required<RtsRoom>();
  readonly reply = output<Message>();
  readonly edit = output<Message>();

  protected readonly window = new TimelineWindow(this.room);
  protected readonly title = computed(() => this.chat.title(this.room()));
  protected readonly opened = signal(false);
  protected readonly following = signal(true);
  protected readonly highlighted = signal<Seq | undefined>(undefined);
  /** The row whose actions are shown: under the pointer, or focused. */
  protected readonly hovered = signal<string | undefined>(undefined);
  protected readonly focused = signal<string | undefined>(undefined);
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
      destroyed.onDestroy(() => {
        sizes.disconnect();
        document.removeEventListener('visibilitychange', seen);
        cancelAnimationFrame(this.frame);
      });
    });
    afterRenderEffect(() => {
      this.rows();
      if (this.opened()) {
        this.keeper?.restore();
        untracked(() => this.look());
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
    void this.notices.attempt(() => this.open());
  }

  /** To the newest message, wherever it is. */
  async newest(): Promise<void> {
    this.dividerSeq.set(undefined);
    if (!this.room().timeline.atNewest()) {
      await this.notices.attempt(() => this.room().history.newest());
    }
    this.window.follow();
    this.follow(true);
    this.keeper?.restore();
  }

  /** To one message, read from the server if need be, marked for a moment. */
  protected async show(seq: Seq): Promise<void> {
    const found = await this.notices.attempt(() => this.room().history.around(seq));
    const message = this.room().timeline.find(seq);
    if (found && message !== undefined) {
      this.window.around(seq);
      this.follow(false);
      this.highlighted.set(seq);
      setTimeout(() => this.highlighted.set(undefined), HIGHLIGHT_MS);
      const [row] = rowsOf([message], [], this.chat.client().userId, undefined).slice(-1);
      this.keeper?.aim(row?.key ?? '', 0.35);
    }
  }

  protected visit(key: string): void {
    this.focused.set(key);
    this.visited.set(key);
  }

  protected scrolled(): void {
    cancelAnimationFrame(this.frame);
    this.frame = requestAnimationFrame(() => {
      const { keeper } = this;
      if (keeper !== undefined && this.opened()) {
        const stays = keeper.following && !keeper.wentUp();
        this.follow(this.window.atNewest() && (stays || keeper.atEnd));
        keeper.record();
        this.look();
      }
    });
  }

  protected key(event: KeyboardEvent): void {
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

  /** Reads what is needed, then goes to the first unread message, or to the newest. */
  private async open(): Promise<void> {
    const room = this.room();
    const [readSeq, unread] = [room.readSeq(), room.unreadCount()];
    await room.open();
    const beyond = unread > 0 && readSeq > 0 && room.timeline.hasOlder() && (room.timeline.oldestSeq ?? 0) > readSeq;
    if (beyond) {
      await room.history.around(readSeq);
    }
    if (unread > 0) {
      this.dividerSeq.set(readSeq);
      this.window.around(readSeq);
    }
    const divided = this.rows().some((row) => row.kind === 'unread');
    this.opened.set(true);
    if (divided) {
      this.follow(false);
      this.keeper?.aim('unread', 0.25);
    } else {
      this.window.follow();
    }
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

  /** What the present place asks for: more rows at an end, and a read mark. */
  private look(): void {
    const { keeper } = this;
    if (keeper === undefined || !this.opened()) {
      return;
    }
    if (!this.following() && keeper.atEnd && this.window.atNewest()) {
      // Where everything fits nobody scrolls, and the end is in sight at once.
      this.follow(true);
    }
    if (keeper.toTop < AHEAD_PX && !this.window.atOldest()) {
      this.fetch(() => this.window.back());
    } else if (keeper.toEnd < AHEAD_PX && !this.window.atNewest()) {
      this.fetch(() => this.window.forward());
    }
    if (document.visibilityState === 'visible') {
      const key = keeper.lastVisible();
      const seen = this.bubbles().findLast((row) => row.key === key)?.message;
      if (seen !== undefined && seen.seq > this.room().readSeq()) {
        this.room().markRead(seen.seq);
      }
    }
  }

  /** A page that fails is asked for again by the next scroll. */
  private fetch(more: () => Promise<void>): void {
    more().catch(() => undefined);
  }
}
