import { ChangeDetectionStrategy, Component, computed, inject, input } from '@angular/core';
import { Chat } from '../core/chat';
import { Mutes } from '../core/mutes';
import { Route } from '../core/route';
import { Drafts } from '../conversation/drafts';
import { I18n } from '../i18n/i18n';
import { isolate } from '../i18n/isolate';
import { RtsRoom } from '../rts';
import { Avatar } from '../ui/avatar';
import { Icon } from '../ui/icon';

/** One chat in the list: its title, the last message with its time, and the unread count. */
@Component({
  selector: 'rts-room-item',
  imports: [Avatar, Icon],
  template: `
    <button type="button" class="room" [class.unread]="room().unreadCount() > 0" [attr.aria-current]="current() ? 'true' : null" (click)="route.room(room().roomId)">
      <rts-avatar [name]="title()" [seed]="partner() ?? room().roomId" [group]="partner() === undefined" [status]="status()" />
      <span class="what">
        <span class="line">
          <span class="title" dir="auto">{{ title() }}</span>
          @if (mutes.has(room().roomId)) {
            <rts-icon class="muted" name="bellOff" /><span class="visually-hidden">{{ i18n.t().notify.muted }}</span>
          }
          <time>{{ time() }}</time>
        </span>
        <span class="line">
          <span class="preview">
            @if (typing(); as typing) {
              <span class="typing">{{ typing }}</span>
            } @else if (draft(); as draft) {
              <span class="draft">{{ i18n.t().rooms.draft }}</span> {{ draft }}
            } @else {
              {{ preview() }}
            }
          </span>
          @if (room().mentionCount() > 0) {
            <span class="badge mention"><span aria-hidden="true">&#64;</span><span class="visually-hidden">{{ i18n.t().rooms.mentions(room().mentionCount()) }}</span></span>
          }
          @if (room().unreadCount() > 0) {
            <span class="badge" [class.quiet]="mutes.has(room().roomId)"><span aria-hidden="true">{{ count() }}</span><span class="visually-hidden">{{ i18n.t().rooms.unread(room().unreadCount()) }}</span></span>
          }
        </span>
      </span>
    </button>
  `,
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class RoomItem {
  protected readonly i18n = inject(I18n);
  protected readonly route = inject(Route);
  protected readonly mutes = inject(Mutes);
  private readonly chat = inject(Chat);
  private readonly drafts = inject(Drafts);
  readonly room = input.required<RtsRoom>();

  protected readonly title = computed(() => this.chat.title(this.room()));
  protected readonly partner = computed(() => this.chat.partner(this.room()));
  protected readonly status = computed(() => this.chat.people().status(this.partner() ?? ''));
  protected readonly current = computed(() => this.route.roomId() === this.room().roomId);
  protected readonly time = computed(() => this.i18n.moment(this.room().activity() / 1_000));
  protected readonly count = computed(() => (this.room().unreadCount() > 999 ? '999+' : String(this.room().unreadCount())));
  protected readonly draft = computed(() => (this.current() ? '' : this.ownText(this.drafts.of(this.room().roomId))));
  protected readonly typing = computed(() => {
    const users = this.room().typing.users();
    return users.length > 0 ? this.i18n.t().conversation.typing(users.map((userId) => this.chat.name(userId))) : '';
  });

  protected readonly preview = computed(() => {
    const room = this.room();
    const pending = room.outgoing().at(-1);
    const last = room.lastMessage();
    const { rooms } = this.i18n.t();
    if (pending !== undefined) {
      return `${rooms.you}: ${this.ownText(pending.body) || (pending.attachments[0]?.fileName ?? rooms.file)}`;
    }
    if (last === undefined) {
      return this.i18n.t().conversation.members(room.info().memberCount);
    }
    const text = isolate(this.chat.summary(last));
    const own = this.chat.isMe(last.senderId);
    const named = own ? rooms.you : room.info().kind === 'group' ? this.chat.name(last.senderId) : undefined;
    return named === undefined ? text : `${isolate(named)}: ${text}`;
  });

  /** Returns the preview of an unsent text, which may mention any member. */
  private ownText(body: string): string {
    return isolate(this.chat.line({ body, mentions: this.room().members().map(({ userId }) => userId) }));
  }
}
