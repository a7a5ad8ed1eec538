import { ChangeDetectionStrategy, Component, computed, effect, inject, signal, untracked } from '@angular/core';
import { Chat } from '../core/chat';
import { I18n } from '../i18n/i18n';
import { Icon } from '../ui/icon';

/** A reconnect shorter than this is not worth a word. */
const PATIENCE_MS = 1_200;

/** Says that the connection is gone, and that nothing is lost by it. */
@Component({
  selector: 'rts-connection-banner',
  imports: [Icon],
  template: `
    <div role="status">
      @if (shown()) {
        <div class="banner">
          <rts-icon name="offline" />
          <span>{{ offline() ? i18n.t().connection.waiting : i18n.t().connection.connecting }}</span>
          @if (waiting()) {
            <button type="button" class="button small" (click)="chat.client().connection.retryNow()">{{ i18n.t().connection.retry }}</button>
          }
        </div>
      }
    </div>
  `,
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class ConnectionBanner {
  protected readonly i18n = inject(I18n);
  protected readonly chat = inject(Chat);
  protected readonly shown = signal(false);
  protected readonly waiting = computed(() => this.chat.client().connection.state() === 'waiting');
  private readonly online = computed(() => this.chat.client().connection.state() === 'online');
  /** Before the first list there is nothing to be offline from. */
  protected readonly offline = computed(() => this.chat.client().ready() || this.waiting());

  constructor() {
    effect((onCleanup) => {
      if (this.online()) {
        untracked(() => this.shown.set(false));
        return;
      }
      const timer = setTimeout(() => this.shown.set(true), PATIENCE_MS);
      onCleanup(() => clearTimeout(timer));
    });
  }
}
