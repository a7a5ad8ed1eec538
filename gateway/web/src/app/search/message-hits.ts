import { ChangeDetectionStrategy, Component, computed, effect, inject, input, signal, untracked } from '@angular/core';
import { Focus } from '../conversation/focus';
import { languageOf } from '../conversation/tokens';
import { Chat } from '../core/chat';
import { Route } from '../core/route';
import { I18n } from '../i18n/i18n';
import { Message, RtsError, toRtsError } from '../rts';

const PAUSE_MS = 300;
/** Number of hits that one search collects. */
const WANTED = 20;
/** Limit of calls per search: a page may be empty and still have a cursor. */
const CALLS_MAX = 20;

/** Messages found by a search, if the server supports it. */
@Component({
  selector: 'rts-message-hits',
  template: `
    @if (chat.client().supports('SearchMessages')) {
      @if (hits().length > 0) {
        <h2 class="group">{{ i18n.t().rooms.messages }}</h2>
      }
      <ul class="hits">
        @for (hit of hits(); track hit.roomId + hit.seq) {
          <li>
            <button type="button" class="hit" (click)="open(hit)">
              <span class="line"><strong dir="auto">{{ chat.name(hit.senderId) }}</strong><time>{{ i18n.moment(hit.seq / 1000) }}</time></span>
              @if (roomTitle(hit); as title) {
                <span class="muted" dir="auto">{{ title }}</span>
              }
              @let part = excerpt(hit);
              <span class="excerpt" dir="auto" [attr.lang]="language(hit.body)">{{ part.before }}<mark>{{ part.match }}</mark>{{ part.after }}</span>
            </button>
          </li>
        }
      </ul>
      @if (busy()) {
        <p class="hint" role="status">{{ i18n.t().rooms.searching }}</p>
      } @else if (failed(); as error) {
        <p class="hint" role="alert">{{ i18n.t().rooms.searchFailed(i18n.t().errors[error.code]) }}</p>
        <button type="button" class="button more" (click)="search(cursor())">{{ i18n.t().retry }}</button>
      } @else if (cursor() !== undefined) {
        <button type="button" class="button more" (click)="search(cursor())">{{ hits().length > 0 ? i18n.t().rooms.more : i18n.t().rooms.searchFurther }}</button>
      }
    }
    @if (lonely() && !busy() && failed() === undefined && hits().length === 0) {
      <p class="hint" role="status">{{ i18n.t().rooms.noMatch }}</p>
    }
  `,
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class MessageHits {
  protected readonly i18n = inject(I18n);
  protected readonly chat = inject(Chat);
  private readonly route = inject(Route);
  private readonly focus = inject(Focus);
  readonly query = input.required<string>();
  /** True if nothing else was found. */
  readonly lonely = input(false);
  private readonly found = signal<readonly Message[]>([]);
  /** The found messages in their newest state. */
  protected readonly hits = computed(() => {
    const rooms = this.chat.client().rooms();
    return this.found().map((hit) => rooms.get(hit.roomId)?.history.cited(hit.seq) ?? hit).filter((hit) => !hit.deleted);
  });
  protected readonly language = languageOf;
  protected readonly cursor = signal<string | undefined>(undefined);
  protected readonly busy = signal(true);
  protected readonly failed = signal<RtsError | undefined>(undefined);
  private turn = 0;

  constructor() {
    effect((onCleanup) => {
      this.query();
      untracked(() => this.busy.set(true));
      const timer = setTimeout(() => untracked(() => void this.search()), PAUSE_MS);
      onCleanup(() => {
        this.turn += 1;
        clearTimeout(timer);
      });
    });
  }

  /** Searches back in time until there are enough hits, or no older messages. */
  protected async search(cursor?: string): Promise<void> {
    const turn = ++this.turn;
    const query = this.query();
    const before = cursor === undefined ? [] : this.found();
    const found: Message[] = [];
    let next = cursor;
    this.busy.set(true);
    this.failed.set(undefined);
    let failed: RtsError | undefined;
    try {
      for (let call = 0; call < CALLS_MAX && found.length < WANTED; call += 1) {
        const page = await this.chat.client().invoke('SearchMessages', { query, ...(next ? { cursor: next } : {}) });
        if (turn !== this.turn) {
          return;
        }
        page.messages.forEach((hit) => this.chat.client().room(hit.roomId)?.history.keep(hit));
        found.push(...page.messages);
        next = page.cursor;
        this.found.set([...before, ...found]);
        if (next === undefined) {
          break;
        }
      }
    } catch (failure) {
      // Earlier hits stay; the rest can be requested again. A server without search shows no error.
      const error = toRtsError(failure);
      failed = error.code === 'unsupported' ? undefined : error;
    }
    if (turn === this.turn) {
      this.found.set([...before, ...found]);
      this.cursor.set(next);
      this.failed.set(failed);
      this.busy.set(false);
    }
  }

  protected open(hit: Message): void {
    this.focus.on(hit.roomId, hit.seq);
    this.route.room(hit.roomId);
  }

  protected roomTitle(hit: Message): string {
    const room = this.chat.client().rooms().get(hit.roomId);
    const title = room === undefined ? '' : this.chat.title(room);
    return title === this.chat.name(hit.senderId) ? '' : title;
  }

  /** Returns the text around the first matching word, or the file name of a message without text. */
  protected excerpt(hit: Message): { before: string; match: string; after: string } {
    const text = this.chat.line(hit) || hit.attachments.map(({ fileName }) => fileName).join(', ');
    const lower = text.toLocaleLowerCase();
    const words = this.query().toLocaleLowerCase().split(/\s+/);
    const [first] = words.map((word) => ({ at: lower.indexOf(word), length: word.length })).filter(({ at }) => at >= 0).sort((a, b) => a.at - b.at);
    if (first === undefined) {
      return { before: text.slice(0, 120), match: '', after: '' };
    }
    const { at, length } = first;
    const before = at > 40 ? `…${text.slice(at - 20, at)}` : text.slice(0, at);
    return { before, match: text.slice(at, at + length), after: text.slice(at + length, at + length + 100) };
  }
}
