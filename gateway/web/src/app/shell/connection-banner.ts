import { ChangeDetectionStrategy, Component, DestroyRef, computed, inject, signal } from '@angular/core';
import { Chat } from '../core/chat';
import { I18n } from '../i18n/i18n';
import { Icon } from '../ui/icon';

/** A first connection that takes no longer than this shows no banner. */
const PATIENCE_MS = 1_200;

/** Shows at once that the connection is lost, and that nothing else is; or that the sign-in has ended. */
@Component({
  selector: 'rts-connection-banner',
  imports: [Icon],
  template: `
    <div role="status">
      @if (text(); as text) {
        <div class="banner">
          <rts-icon name="offline" />
          <span>{{ text }}</span>
          @if (state() === 'refused') {
            <button type="button" class="button small" (click)="chat.signInAgain()">{{ i18n.t().connection.signIn }}</button>
          } @else if (state() === 'waiting') {
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
  private readonly slow = signal(false);
  protected readonly state = computed(() => this.chat.client().connection.state());
  protected readonly text = computed(() => {
    const { connection, errors } = this.i18n.t();
    const client = this.chat.client();
    if (this.state() === 'refused') {
      return connection.ended;
    }
    if (this.state() === 'online') {
      const trouble = client.trouble();
      return client.connection.doubted() ? connection.waiting : trouble && connection.trouble(errors[trouble.code]);
    }
    if (client.connection.crowded()) {
      return connection.crowded;
    }
    // Before the first list there is nothing to lose.
    return client.ready() || this.state() === 'waiting' ? connection.waiting : this.slow() ? connection.connecting : undefined;
  });

  constructor() {
    const timer = setTimeout(() => this.slow.set(true), PATIENCE_MS);
    inject(DestroyRef).onDestroy(() => clearTimeout(timer));
  }
}
