import { ChangeDetectionStrategy, Component, inject, signal } from '@angular/core';
import { Chat } from './core/chat';
import { AppConfig, loadConfig } from './core/config';
import { Notifier } from './core/notifier';
import { ThemeChoice } from './core/theme';
import { UnreadBadge } from './core/unread-badge';
import { I18n } from './i18n/i18n';
import { Shell } from './shell/shell';
import { SignIn } from './sign-in/sign-in';
import { NoticeArea } from './ui/notice-area';

/** The whole app: the sign-in, or the chats. */
@Component({
  selector: 'rts-app',
  imports: [NoticeArea, Shell, SignIn],
  template: `
    @if (chat.signedIn()) {
      <rts-shell />
    } @else if (config(); as config) {
      <rts-sign-in [config]="config" />
    } @else if (failed()) {
      <main class="sign-in">
        <div class="card">
          <h1>{{ i18n.t().appName }}</h1>
          <p role="alert">{{ i18n.t().errors.offline }}</p>
          <button type="button" class="button primary wide" (click)="load()">{{ i18n.t().retry }}</button>
        </div>
      </main>
    }
    <rts-notice-area />
  `,
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class App {
  protected readonly chat = inject(Chat);
  protected readonly i18n = inject(I18n);
  protected readonly config = signal<AppConfig | undefined>(undefined);
  protected readonly failed = signal(false);

  constructor() {
    [ThemeChoice, UnreadBadge, Notifier].forEach((service) => inject<object>(service));
    void this.load();
  }

  protected async load(): Promise<void> {
    this.failed.set(false);
    try {
      this.config.set(await loadConfig());
    } catch {
      this.failed.set(true);
    }
  }
}
