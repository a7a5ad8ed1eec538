import { ChangeDetectionStrategy, Component, effect, inject, input, signal, untracked } from '@angular/core';
import { Focus } from '../conversation/focus';
import { Chat } from '../core/chat';
import { Route } from '../core/route';
import { I18n } from '../i18n/i18n';
import { Message } from '../rts';

const PAUSE_MS = 300;

/** Messages that a search finds, where the server searches. */
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
              <span class="line"><strong>{{ chat.name(hit.senderId) }}</strong><time>{{ i18n.moment(hit.seq / 1000) }}</time></span>
              @if (roomTitle(hit); as title) {
                <span class="muted">{{ title }}</span>
              }
              @let part = excerpt(hit);
              <span class="excerpt">{{ part.before }}<mark>{{ part.match }}</mark>{{ part.after }}</span>
            </button>
          </li>
        }
      </ul>
      @if (cursor() !== undefined) {
        <button type="button" class="button more" (click)="search(cursor())">{{ i18n.t().rooms.more }}</button>
      }
    }
    @if (lonely() && done() && hits().length === 0) {
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
  /** Nothing else was found. */
  readonly lonely = input(false);
  protected readonly hits = signal<readonly Message[]>([]);
  protected readonly cursor = signal<string | undefined>(undefined);
  protected readonly done = signal(false);

  constructor() {
    effect((onCleanup) => {
      this.query();
      this.done.set(false);
      const timer = setTimeout(() => untracked(() => void this.search()), PAUSE_MS);
      onCleanup(() => clearTimeout(timer));
    });
  }

  protected async search(cursor?: string): Promise<void> {
    const query = this.query();
    try {
      const page = await this.chat.client().invoke('SearchMessages', { query, ...(cursor ? { cursor } : {}) });
      if (query === this.query()) {
        this.hits.update((all) => (cursor === undefined ? page.messages : [...all, ...page.messages]));
        this.cursor.set(page.cursor);
      }
    } catch {
      this.hits.set([]);
    } finally {
      this.done.set(true);
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

  /** The text around the first place where it matches. */
  protected excerpt({ body }: Message): { before: string; match: string; after: string } {
    const at = body.toLocaleLowerCase().indexOf(this.query().toLocaleLowerCase());
    if (at < 0) {
      return { before: body.slice(0, 120), match: '', after: '' };
    }
    const end = at + this.query().length;
    const before = at > 40 ? `…${body.slice(at - 20, at)}` : body.slice(0, at);
    return { before, match: body.slice(at, end), after: body.slice(end, end + 100) };
  }
}
