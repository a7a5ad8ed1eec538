import { ChangeDetectionStrategy, Component, OnInit, inject, input, signal } from '@angular/core';
import { Notices } from '../core/notices';
import { I18n } from '../i18n/i18n';
import { Attachment } from '../rts';
import { Icon } from '../ui/icon';
import { FileUrls } from './file-urls';

/** Image types that every browser shows and that cannot carry scripts. */
const SHOWN = new Set(['image/png', 'image/jpeg', 'image/gif', 'image/webp', 'image/avif']);
/** Larger images are fetched on demand only. */
const PREVIEW_BYTES_MAX = 8_000_000;

/** A file of a message: images are shown, everything can be downloaded. */
@Component({
  selector: 'rts-attachment',
  imports: [Icon],
  template: `
    @if (url(); as address) {
      <button type="button" class="image" [attr.aria-label]="i18n.t().file.open(file().fileName)" (click)="download()">
        <img [src]="address" [alt]="i18n.t().file.image(file().fileName)" (error)="url.set(undefined)" />
      </button>
    }
    <button type="button" class="file" (click)="download()">
      <rts-icon name="file" />
      <span class="visually-hidden">{{ i18n.t().file.download }}&ngsp;</span>
      <span class="name">{{ file().fileName }}&ngsp;</span>
      <span class="size">{{ i18n.size(file().sizeBytes) }}</span>
      <rts-icon name="download" />
    </button>
  `,
  host: { class: 'attachment' },
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class AttachmentView implements OnInit {
  protected readonly i18n = inject(I18n);
  private readonly notices = inject(Notices);
  private readonly urls = inject(FileUrls);
  readonly file = input.required<Attachment>();
  readonly roomId = input.required<string>();
  protected readonly url = signal<string | undefined>(undefined);

  ngOnInit(): void {
    if (SHOWN.has(this.file().contentType) && this.file().sizeBytes <= PREVIEW_BYTES_MAX) {
      this.urls.get(this.roomId(), this.file().attachmentId).then(
        (url) => this.url.set(url),
        () => undefined,
      );
    }
  }

  protected download(): void {
    void this.notices.attempt(async () => {
      const link = document.createElement('a');
      link.href = await this.urls.get(this.roomId(), this.file().attachmentId);
      link.download = this.file().fileName;
      link.rel = 'noopener';
      link.target = '_blank';
      link.click();
    });
  }
}
