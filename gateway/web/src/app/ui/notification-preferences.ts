import { ChangeDetectionStrategy, Component, inject } from '@angular/core';
import { Notifier } from '../core/notifier';
import { I18n } from '../i18n/i18n';

/** Settings of this device for messages that arrive off the screen. */
@Component({
  selector: 'rts-notification-preferences',
  template: `
    <label class="field inline">
      <span>{{ i18n.t().notify.show }}</span>
      <input #show type="checkbox" [checked]="notifier.wanted()" [disabled]="!notifier.offered" (change)="want(show)" />
    </label>
    <label class="field inline">
      <span>{{ i18n.t().notify.sound }}</span>
      <input #sound type="checkbox" [checked]="notifier.sound()" (change)="notifier.setSound(sound.checked)" />
    </label>
    <p class="muted small">{{ i18n.t().notify.hint }}</p>
  `,
  host: { class: 'preferences' },
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class NotificationPreferences {
  protected readonly i18n = inject(I18n);
  protected readonly notifier = inject(Notifier);

  protected async want(box: HTMLInputElement): Promise<void> {
    box.checked = await this.notifier.want(box.checked);
  }
}
