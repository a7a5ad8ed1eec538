import { ChangeDetectionStrategy, Component, computed, inject } from '@angular/core';
import { Conversation } from '../conversation/conversation';
import { Chat } from '../core/chat';
import { Route } from '../core/route';
import { I18n } from '../i18n/i18n';
import { Sidebar } from '../rooms/sidebar';
import { ConnectionBanner } from './connection-banner';

/** List and conversation beside each other; on a phone one at a time. */
@Component({
  selector: 'rts-shell',
  imports: [ConnectionBanner, Conversation, Sidebar],
  template: `
    <rts-connection-banner />
    <div class="shell" [class.room-open]="room() !== undefined">
      <rts-sidebar />
      @if (room(); as room) {
        @for (each of [room]; track each.roomId) {
          <rts-conversation [room]="each" />
        }
      } @else {
        <main class="empty">
          <span class="logo big" aria-hidden="true"></span>
          <p>{{ i18n.t().conversation.choose }}</p>
        </main>
      }
    </div>
  `,
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class Shell {
  protected readonly i18n = inject(I18n);
  private readonly chat = inject(Chat);
  private readonly route = inject(Route);
  protected readonly room = computed(() => (this.route.roomId() === undefined ? undefined : this.chat.openRoom()));
}
