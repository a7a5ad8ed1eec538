import { ChangeDetectionStrategy, Component, inject, input, output } from '@angular/core';
import { I18n } from '../i18n/i18n';
import { Upload } from '../rts';
import { Icon } from '../ui/icon';

/** The files that are being attached to a message. */
@Component({
  selector: 'rts-upload-tray',
  imports: [Icon],
  template: `
    @if (uploads().length > 0) {
      <ul class="tray">
        @for (upload of uploads(); track upload) {
          <li [class.failed]="upload.state() === 'failed'">
            <rts-icon [name]="upload.state() === 'failed' ? 'warning' : upload.state() === 'done' ? 'check' : 'file'" />
            <span class="name">{{ upload.file.name }}</span>
            @if (upload.error(); as error) {
              <span class="why" role="alert">{{ error.code === 'invalidArgument' ? i18n.t().composer.refused : error.code === 'cancelled' ? i18n.t().composer.cutOff : i18n.t().errors[error.code] }}</span>
              @if (error.code !== 'cancelled') {
                <button type="button" class="link" (click)="upload.retry()">{{ i18n.t().retry }}</button>
              }
            } @else if (upload.state() === 'waiting') {
              <span class="size">{{ i18n.t().state.queued }}</span>
            } @else {
              <span class="size">{{ i18n.size(upload.file.size) }}</span>
            }
            @if (upload.state() === 'preparing' || upload.state() === 'uploading') {
              <progress max="1" [value]="upload.progress()" [attr.aria-label]="i18n.t().composer.uploading(upload.file.name, percent(upload))"></progress>
            }
            <button type="button" class="icon-button small" [attr.aria-label]="i18n.t().composer.remove(upload.file.name)" (click)="removed.emit(upload)"><rts-icon name="close" /></button>
          </li>
        }
      </ul>
    }
  `,
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class UploadTray {
  protected readonly i18n = inject(I18n);
  readonly uploads = input.required<readonly Upload[]>();
  readonly removed = output<Upload>();

  protected percent(upload: Upload): number {
    return Math.round(upload.progress() * 100);
  }
}
