import { ChangeDetectionStrategy, Component, effect, inject, signal, untracked } from '@angular/core';
import { Chat } from '../core/chat';
import { Route } from '../core/route';
import { I18n } from '../i18n/i18n';
import { isolate, listOf } from '../i18n/isolate';
import { ListedRoom, Room, RtsError, toRtsError } from '../rts';
import { Avatar } from '../ui/avatar';
import { Icon } from '../ui/icon';

const PAUSE_MS = 250;

/** Archived chats, with a search by title or case. */
@Component({
  selector: 'rts-archive-list',
  imports: [Avatar, Icon],
  template: `
    <div class="search" role="search">
      <rts-icon name="search" />
      <input #search type="search" [value]="query()" (input)="query.set(search.value)" [attr.aria-label]="i18n.t().rooms.archiveSearch" [placeholder]="i18n.t().rooms.archiveSearch" />
    </div>
    <div class="scroll">
      <ul class="rooms">
        @for (listed of rooms(); track listed.room.roomId) {
          <li>
            <button type="button" class="room" [attr.aria-current]="route.roomId() === listed.room.roomId ? 'true' : null" (click)="route.room(listed.room.roomId)">
              <rts-avatar [name]="title(listed.room)" [seed]="listed.room.roomId" [group]="listed.room.kind === 'group'" />
              <span class="what">
                <span class="line"><span class="title" dir="auto">{{ title(listed.room) }}</span><time>{{ i18n.moment(listed.headSeq / 1000) }}</time></span>
                <span class="line"><span class="preview">{{ detail(listed) }}</span></span>
              </span>
            </button>
          </li>
        }
      </ul>
      @if (busy()) {
        <p class="hint" role="status">{{ i18n.t().loading }}</p>
      } @else if (failed(); as error) {
        <p class="hint" role="alert">{{ i18n.t().rooms.listFailed(i18n.t().errors[error.code]) }}</p>
        <button type="button" class="button more" (click)="again()">{{ i18n.t().retry }}</button>
      } @else if (rooms().length === 0) {
        <p class="hint">{{ query() === '' ? i18n.t().rooms.noneArchived : i18n.t().rooms.noMatch }}</p>
      } @else if (cursor() !== undefined) {
        <button type="button" class="button more" (click)="more()">{{ i18n.t().rooms.more }}</button>
      }
    </div>
  `,
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class ArchiveList {
  protected readonly i18n = inject(I18n);
  protected readonly route = inject(Route);
  private readonly chat = inject(Chat);
  protected readonly query = signal('');
  protected readonly rooms = signal<readonly ListedRoom[]>([]);
  protected readonly cursor = signal<string | undefined>(undefined);
  protected readonly busy = signal(true);
  protected readonly failed = signal<RtsError | undefined>(undefined);

  constructor() {
    effect((onCleanup) => {
      this.query();
      // Read, so that the list follows chats that are archived or restored while it is open.
      this.chat.client().roomList().length;
      if (this.chat.client().connection.state() !== 'online') {
        untracked(() => this.offline());
        return;
      }
      const timer = setTimeout(() => untracked(() => void this.read()), PAUSE_MS);
      onCleanup(() => clearTimeout(timer));
    });
  }

  protected title(room: Room): string {
    const others = (room.members ?? []).filter(({ userId }) => !this.chat.isMe(userId)).map(({ userId }) => this.chat.name(userId));
    return room.name ?? (listOf(others.slice(0, 3)) || this.i18n.t().rooms.unnamed);
  }

  protected detail({ room, lastMessage }: ListedRoom): string {
    const { conversation } = this.i18n.t();
    return room.caseId !== undefined ? conversation.case(room.caseId) : lastMessage !== undefined ? isolate(this.chat.summary(lastMessage)) : conversation.members(room.memberCount);
  }

  protected again(): Promise<void> {
    return this.read();
  }

  protected more(): Promise<void> {
    return this.read(this.cursor());
  }

  /** Shows an error only if nothing was read before. */
  private offline(): void {
    if (this.rooms().length === 0) {
      this.failed.set(new RtsError('offline', 'There is no connection.'));
      this.busy.set(false);
    }
  }

  private async read(cursor?: string): Promise<void> {
    const query = this.query().trim();
    this.busy.set(true);
    let failed: RtsError | undefined;
    try {
      const page = await this.chat.client().invoke('ListRooms', { archived: true, ...(query ? { query } : {}), ...(cursor ? { cursor } : {}) });
      page.rooms.forEach(({ room }) => this.chat.people().learnRoom(room));
      if (query === this.query().trim()) {
        this.rooms.update((all) => (cursor === undefined ? page.rooms : [...all, ...page.rooms]));
        this.cursor.set(page.cursor);
      }
    } catch (failure) {
      failed = toRtsError(failure);
    }
    this.failed.set(failed);
    this.busy.set(false);
  }
}
