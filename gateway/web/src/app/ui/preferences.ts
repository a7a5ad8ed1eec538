import { ChangeDetectionStrategy, Component, inject } from '@angular/core';
import { THEMES, Theme, ThemeChoice } from '../core/theme';
import { I18n, LANGUAGES, Language } from '../i18n/i18n';

/** Language and appearance. */
@Component({
  selector: 'rts-preferences',
  template: `
    <label class="field inline">
      <span>{{ i18n.t().language }}</span>
      <select #language [value]="i18n.language()" (change)="setLanguage(language.value)">
        @for (each of languages; track each.code) {
          <option [value]="each.code" [selected]="each.code === i18n.language()" [attr.lang]="each.code">{{ each.name }}</option>
        }
      </select>
    </label>
    <label class="field inline">
      <span>{{ i18n.t().theme.label }}</span>
      <select #theme (change)="setTheme(theme.value)">
        @for (each of themes; track each) {
          <option [value]="each" [selected]="each === choice.theme()">{{ i18n.t().theme[each] }}</option>
        }
      </select>
    </label>
  `,
  host: { class: 'preferences' },
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class Preferences {
  protected readonly i18n = inject(I18n);
  protected readonly choice = inject(ThemeChoice);
  protected readonly languages = LANGUAGES;
  protected readonly themes = THEMES;

  protected setLanguage(code: string): void {
    this.i18n.language.set(code as Language);
  }

  protected setTheme(theme: string): void {
    this.choice.theme.set(theme as Theme);
  }
}
