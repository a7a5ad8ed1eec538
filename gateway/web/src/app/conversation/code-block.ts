import { ChangeDetectionStrategy, Component, inject, input } from '@angular/core';
import { Notices } from '../core/notices';
import { I18n } from '../i18n/i18n';
import { Icon } from '../ui/icon';

/** Code as written, with a button that copies it. */
@Component({
  selector: 'rts-code-block',
  imports: [Icon],
  template: `
    <pre><code>{{ text() }}</code></pre>
    <button type="button" class="icon-button small" [attr.aria-label]="i18n.t().conversation.copyCode" [title]="i18n.t().conversation.copyCode" (click)="copy()"><rts-icon name="copy" /></button>
  `,
  host: { class: 'code-block', '[attr.data-language]': 'language() || null' },
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class CodeBlock {
  protected readonly i18n = inject(I18n);
  private readonly notices = inject(Notices);
  readonly text = input.required<string>();
  readonly language = input('');

  protected copy(): void {
    void this.notices.attempt(async () => {
      await navigator.clipboard.writeText(this.text());
      this.notices.show(this.i18n.t().conversation.copied);
    });
  }
}
