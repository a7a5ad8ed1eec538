import { ChangeDetectionStrategy, Component, ElementRef, afterNextRender, inject, input, output, viewChild } from '@angular/core';
import { I18n } from '../i18n/i18n';
import { Icon } from './icon';

let made = 0;

/** A modal dialog; the browser keeps the focus in it, and gives it back at the end. */
@Component({
  selector: 'rts-dialog',
  imports: [Icon],
  template: `
    <dialog #dialog [attr.aria-labelledby]="id" (close)="closed.emit()" (click)="outside($event)">
      <div class="dialog-body">
        <header>
          <h2 [id]="id">{{ heading() }}</h2>
          <button type="button" class="icon-button" [attr.aria-label]="i18n.t().close" (click)="close()"><rts-icon name="close" /></button>
        </header>
        <ng-content />
      </div>
    </dialog>
  `,
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class Dialog {
  protected readonly i18n = inject(I18n);
  private readonly dialog = viewChild.required<ElementRef<HTMLDialogElement>>('dialog');
  readonly heading = input.required<string>();
  readonly closed = output();
  protected readonly id = `dialog-${++made}`;

  constructor() {
    afterNextRender(() => this.dialog().nativeElement.showModal());
  }

  close(): void {
    this.dialog().nativeElement.close();
  }

  /** A click on the backdrop is a click on the dialog itself, beside its body. */
  protected outside(event: MouseEvent): void {
    if (event.target === this.dialog().nativeElement) {
      this.close();
    }
  }
}
