import { ChangeDetectionStrategy, Component, OnInit, inject, input, signal } from '@angular/core';
import { Chat } from '../core/chat';
import { AppConfig } from '../core/config';
import { Identity } from '../core/identity';
import { DevUser, NotOffered, rememberedDevUser, signInDev } from '../core/sign-in-dev';
import { signInHost } from '../core/sign-in-host';
import { redirectToOidc, resumeOidc } from '../core/sign-in-oidc';
import { I18n } from '../i18n/i18n';
import { Preferences } from '../ui/preferences';

/** The sign-in, as configured: by name, by the host page, or by OpenID Connect. */
@Component({
  selector: 'rts-sign-in',
  imports: [Preferences],
  template: `
    <main class="sign-in">
      <div class="card">
        <h1><span class="logo" aria-hidden="true"></span>{{ i18n.t().appName }}</h1>
        @if (busy()) {
          <p role="status">{{ i18n.t().signIn.waiting }}</p>
        } @else {
          @if (failed(); as failed) {
            <p class="error" role="alert">{{ i18n.t().signIn[failed] }}</p>
          }
          @switch (config().auth.kind) {
            @case ('dev') {
              <p class="muted">{{ i18n.t().signIn.hint }}</p>
              <form (submit)="submit($event, { userId: user.value.trim(), name: name.value.trim(), orgId: org.value.trim() })">
                <label class="field"><span>{{ i18n.t().signIn.userId }}</span>
                  <input #user name="userId" required maxlength="128" autocomplete="username" autocapitalize="none" spellcheck="false" /></label>
                <label class="field"><span>{{ i18n.t().signIn.name }}</span>
                  <input #name name="name" maxlength="120" autocomplete="name" /></label>
                <label class="field"><span>{{ i18n.t().signIn.org }}</span>
                  <input #org name="org" value="acme" required maxlength="128" autocomplete="organization" autocapitalize="none" spellcheck="false" /></label>
                <button class="button primary wide">{{ i18n.t().signIn.submit }}</button>
              </form>
            }
            @case ('oidc') {
              <button type="button" class="button primary wide" (click)="redirect()">{{ i18n.t().signIn.redirect }}</button>
            }
            @default {
              <button type="button" class="button primary wide" (click)="begin()">{{ i18n.t().retry }}</button>
            }
          }
        }
        <rts-preferences />
      </div>
    </main>
  `,
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class SignIn implements OnInit {
  protected readonly i18n = inject(I18n);
  private readonly chat = inject(Chat);
  readonly config = input.required<AppConfig>();
  protected readonly busy = signal(false);
  protected readonly failed = signal<'failed' | 'unavailable' | undefined>(undefined);

  ngOnInit(): void {
    void this.begin();
  }

  /** Tries what needs no input: a remembered name, the host page, the redirect back from the issuer. */
  protected begin(): Promise<void> {
    return this.enter(async () => {
      const config = this.config();
      switch (config.auth.kind) {
        case 'dev': {
          const user = rememberedDevUser();
          return user && signInDev(config, user);
        }
        case 'host':
          return signInHost(config, config.auth.origin);
        case 'oidc':
          return resumeOidc(config, config.auth);
      }
    });
  }

  protected submit(event: Event, user: DevUser): void {
    event.preventDefault();
    void this.enter(() => signInDev(this.config(), { ...user, name: user.name || user.userId }));
  }

  protected redirect(): void {
    const { auth } = this.config();
    if (auth.kind === 'oidc') {
      void this.enter(() => redirectToOidc(auth));
    }
  }

  private async enter(identify: () => Promise<Identity | undefined>): Promise<void> {
    this.busy.set(true);
    this.failed.set(undefined);
    try {
      const identity = await identify();
      if (identity !== undefined) {
        this.chat.signIn(this.config(), identity);
      }
    } catch (failure) {
      this.failed.set(failure instanceof NotOffered ? 'unavailable' : 'failed');
    } finally {
      this.busy.set(false);
    }
  }
}
