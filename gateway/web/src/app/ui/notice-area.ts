import { ChangeDetectionStrategy, Component, inject } from '@angular/core';
import { Confirm } from '../core/confirm';
import { Notices } from '../core/notices';
import { I18n } from '../i18n/i18n';
import { Dialog } from './dialog';
import { Icon } from './icon';

/** Shows notices, announcements and questions. */
@Component({
  selector: 'rts-notice-area',
  imports: [Dialog, Icon],
  template: `
    <div class="notices" role="status">
      @for (notice of notices.all(); track notice.id) {
        <div class="notice" [class.bad]="notice.bad">
          <span>{{ notice.text }}</span>
          <button type="button" class="icon-button small" [attr.aria-label]="i18n.t().close" (click)="notices.dismiss(notice.id)">
            <rts-icon name="close" />
          </button>
        </div>
      }
    </div>
    <div class="visually-hidden" aria-live="polite">{{ notices.announced() }}</div>
    @if (confirm.question(); as question) {
      <rts-dialog [heading]="question.action" (closed)="question.answer(false)">
        <p>{{ question.text }}</p>
        <footer>
          <button type="button" class="button" (click)="question.answer(false)">{{ i18n.t().cancel }}</button>
          <button type="button" class="button danger" (click)="question.answer(true)">{{ question.action }}</button>
        </footer>
      </rts-dialog>
    }
  `,
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class NoticeArea {
  protected readonly i18n = inject(I18n);
  protected readonly notices = inject(Notices);
  protected readonly confirm = inject(Confirm);
}
