import { ChangeDetectionStrategy, Component, DestroyRef, ElementRef, afterNextRender, inject, input, output, viewChild } from '@angular/core';
import { I18n } from '../i18n/i18n';
import { Icon } from './icon';

let made = 0;
/** The element to focus: the first field, else the first answer, which is the harmless one. */
const FIELD = ['input:not([type=file])', 'select', 'footer button'].map((field) => `.dialog-body > :not(header) ${field}, .dialog-body > ${field}`).join(', ');

/** A modal dialog; the browser keeps the focus inside, and it returns at the end, however the dialog is closed. */
@Component({
  selector: 'rts-dialog',
  imports: [Icon],
  template: `
    <dialog #dialog [attr.aria-labelledby]="id" (close)="closed.emit()" (click)="outside($event)">
      <section class="dialog-body">
        <header>
          <h2 [id]="id">{{ heading() }}</h2>
          <button type="button" class="icon-button" [attr.aria-label]="i18n.t().close" (click)="close()"><rts-icon name="close" /></button>
        </header>
        <ng-content />
      </section>
    </dialog>
  `,
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class Dialog {
  protected readonly i18n = inject(I18n);
  private readonly dialog = viewChild.required<ElementRef<HTMLDialogElement>>('dialog');
  readonly heading = input.required<string>();
  /** True if its field is focused even where that opens an on-screen keyboard. */
  readonly keyboard = input(true);
  readonly closed = output();
  protected readonly id = `dialog-${++made}`;

  private before: Element | null = null;

  constructor() {
    inject(DestroyRef).onDestroy(() => this.restore());
    afterNextRender(() => {
      const { nativeElement } = this.dialog();
      this.before = document.activeElement;
      nativeElement.showModal();
      if (this.keyboard() || !matchMedia('(pointer: coarse)').matches) {
        nativeElement.querySelector<HTMLElement>(FIELD)?.focus();
      }
    });
  }

  /** Restores the focus: the browser does so for a closed dialog, but not for one removed while open. */
  private restore(): void {
    if (document.activeElement === document.body && this.before instanceof HTMLElement) {
      this.before.focus({ preventScroll: true });
    }
  }

  close(): void {
    this.dialog().nativeElement.close();
  }

  /** Closes on a click on the backdrop, which counts as one on the dialog itself, outside its body. */
  protected outside(event: MouseEvent): void {
    if (event.target === this.dialog().nativeElement) {
      this.close();
    }
  }
}
