import { ChangeDetectionStrategy, Component, output, viewChild } from '@angular/core';
import { Dialog } from '../ui/dialog';
import { Icon } from '../ui/icon';
import { MessageVerbs } from './message-verbs';

/** The actions of a message on touch screens: a sheet opened by a long press. */
@Component({
  selector: 'rts-message-sheet',
  imports: [Dialog, Icon],
  template: `
    <rts-dialog class="sheet" [heading]="i18n.t().conversation.actions" [keyboard]="false" (closed)="closed.emit()">
      @if (mayReact()) {
        <div class="quick" role="group" [attr.aria-label]="i18n.t().conversation.react">
          @for (emoji of emoji.slice(0, 6); track emoji) {
            <button type="button" [attr.aria-label]="i18n.t().conversation.reactWith(emoji)" (click)="close(); react(emoji)">{{ emoji }}</button>
          }
          <button type="button" class="more" [attr.aria-label]="i18n.t().emoji.more" (click)="close(); reactMore()"><rts-icon name="plus" /></button>
        </div>
      }
      @if (writable()) {
        <button type="button" class="row-button" (click)="close(); reply.emit()"><rts-icon name="reply" />{{ i18n.t().conversation.reply }}</button>
      }
      @if (mayCopy()) {
        <button type="button" class="row-button" (click)="close(); copy()"><rts-icon name="copy" />{{ i18n.t().conversation.copy }}</button>
      }
      @if (mayEdit()) {
        <button type="button" class="row-button" (click)="close(); edit.emit()"><rts-icon name="edit" />{{ i18n.t().conversation.edit }}</button>
      }
      @if (mayDelete()) {
        <button type="button" class="row-button danger" (click)="close(); delete()"><rts-icon name="trash" />{{ i18n.t().conversation.delete }}</button>
      }
    </rts-dialog>
  `,
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class MessageSheet extends MessageVerbs {
  private readonly dialog = viewChild.required(Dialog);
  readonly closed = output();

  /** Closes the dialog at once, so that the next one can take the focus. */
  protected close(): void {
    this.dialog().close();
  }
}
