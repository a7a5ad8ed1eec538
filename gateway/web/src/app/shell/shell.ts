import { ChangeDetectionStrategy, Component, computed, inject } from '@angular/core';
import { Conversation } from '../conversation/conversation';
import { Chat } from '../core/chat';
import { Panels } from '../core/panels';
import { Route } from '../core/route';
import { EmojiChoice } from '../emoji/emoji-choice';
import { EmojiPicker } from '../emoji/emoji-picker';
import { I18n } from '../i18n/i18n';
import { Sidebar } from '../rooms/sidebar';
import { letterOf } from '../ui/keys';
import { ConnectionBanner } from './connection-banner';
import { Jump } from './jump';

/** List and conversation side by side; on a phone, one at a time. */
@Component({
  selector: 'rts-shell',
  imports: [ConnectionBanner, Conversation, EmojiPicker, Jump, Sidebar],
  template: `
    <rts-connection-banner />
    <div class="shell" [class.room-open]="room() !== undefined || lost() !== undefined">
      <rts-sidebar />
      @if (room(); as room) {
        @for (each of [room]; track each.roomId) {
          <rts-conversation [room]="each" />
        }
      } @else if (lost(); as lost) {
        <main class="empty">
          <div role="alert"><h1>{{ lost }}</h1></div>
          @for (entry of unsent(); track entry.clientId) {
            <p class="unsent">
              <strong>{{ i18n.t().state.failed }}:</strong> {{ entry.body || entry.attachments[0]?.fileName }}
              <button type="button" class="link" (click)="chat.client().outbox.discard(entry.clientId)">{{ i18n.t().conversation.discard }}</button>
            </p>
          }
          @if (chat.missing()?.error?.retryable) {
            <button type="button" class="button primary" (click)="chat.lookAgain()">{{ i18n.t().retry }}</button>
          }
          <button type="button" class="button" (click)="route.list()">{{ i18n.t().conversation.toList }}</button>
        </main>
      } @else if (route.roomId() !== undefined) {
        <main class="empty"><p role="status">{{ i18n.t().loading }}</p></main>
      } @else {
        <main class="empty">
          <span class="logo big" aria-hidden="true"></span>
          <p>{{ i18n.t().conversation.choose }}</p>
        </main>
      }
    </div>
    @if (emoji.answer() !== undefined) {
      <rts-emoji-picker />
    }
    @if (panels.jump()) {
      <rts-jump />
    }
  `,
  host: { '(document:keydown)': 'key($event)' },
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class Shell {
  protected readonly i18n = inject(I18n);
  protected readonly emoji = inject(EmojiChoice);
  protected readonly panels = inject(Panels);
  protected readonly chat = inject(Chat);
  protected readonly route = inject(Route);
  protected readonly room = computed(() => (this.route.roomId() === undefined ? undefined : this.chat.openRoom()));
  /** Unsent messages to a room that is gone; this is their only copy. */
  protected readonly unsent = computed(() => this.chat.client().outbox.all().filter((entry) => entry.roomId === this.route.roomId()));
  /** The reason why there is nothing to show at this address. */
  protected readonly lost = computed(() => {
    const { conversation, errors } = this.i18n.t();
    const missing = this.chat.missing();
    if (this.route.unknown()) {
      return conversation.badAddress;
    }
    if (missing === undefined) {
      return undefined;
    }
    const isNone = ['notFound', 'forbidden', 'invalidArgument', 'tooLarge'].includes(missing.error.code);
    return !isNone ? conversation.openFailed(errors[missing.error.code]) : missing.removed ? conversation.removed : conversation.missing;
  });

  /** Opens the jump panel on Ctrl+K, on a Mac ⌘K, if no dialog is open. */
  protected key(event: KeyboardEvent): void {
    const command = /Mac|iP/.test(navigator.platform) ? event.metaKey : event.ctrlKey;
    if (command && !event.altKey && !event.shiftKey && letterOf(event) === 'k') {
      event.preventDefault();
      this.panels.jump.set(this.panels.jump() || document.querySelector('dialog[open]') === null);
    }
  }
}
