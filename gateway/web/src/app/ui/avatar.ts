import { ChangeDetectionStrategy, Component, computed, inject, input } from '@angular/core';
import { I18n } from '../i18n/i18n';
import { PresenceStatus } from '../rts';
import { Icon } from './icon';

const TONES = 8;

/** Initials on the user's colour, with a dot for presence. */
@Component({
  selector: 'rts-avatar',
  imports: [Icon],
  template: `
    @if (group()) {
      <rts-icon name="people" />
    } @else {
      <span aria-hidden="true">{{ initials() }}</span>
    }
    @if (status(); as status) {
      <span class="dot" [class]="status" role="img" [attr.aria-label]="i18n.t().presence[status]"></span>
    }
  `,
  host: { class: 'avatar', '[class]': 'tone()' },
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class Avatar {
  protected readonly i18n = inject(I18n);
  readonly name = input.required<string>();
  /** The source of the colour; names change, ids do not. */
  readonly seed = input.required<string>();
  readonly group = input(false);
  readonly status = input<PresenceStatus | undefined>();

  protected readonly tone = computed(() => {
    const sum = [...this.seed()].reduce((hash, char) => (hash * 31 + (char.codePointAt(0) ?? 0)) >>> 0, 7);
    return `tone-${sum % TONES}`;
  });

  protected readonly initials = computed(() => {
    const words = this.name().trim().split(/\s+/);
    const first = [...(words[0] ?? '')];
    // A Korean name is recognized by its given name, which follows a family name of one syllable.
    if (words.length === 1 && /^[가-힣]{3,4}$/.test(words[0] ?? '')) {
      return first.slice(1, 3).join('');
    }
    const last = words.length > 1 ? [...(words.at(-1) ?? '')][0] : undefined;
    return ((first[0] ?? '?') + (last ?? '')).toUpperCase();
  });
}
