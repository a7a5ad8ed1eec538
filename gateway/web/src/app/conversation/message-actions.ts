import { ChangeDetectionStrategy, Component, effect, signal, untracked } from '@angular/core';
import { Icon } from '../ui/icon';
import { MessageVerbs } from './message-verbs';

/** The actions of a message that has the pointer or the focus. Arrow keys move between them, Escape goes back. */
@Component({
  selector: 'rts-message-actions',
  imports: [Icon],
  template: `
    <div class="toolbar" role="toolbar" [attr.aria-label]="i18n.t().conversation.actions">
      @if (mayReact()) {
        <button type="button" class="icon-button small" [attr.aria-label]="i18n.t().conversation.react" [title]="i18n.t().conversation.react" [attr.aria-expanded]="palette()" (click)="palette.set(!palette())"><rts-icon name="smile" /></button>
      }
      @if (writable()) {
        <button type="button" class="icon-button small" [attr.aria-label]="i18n.t().conversation.reply" [title]="i18n.t().conversation.reply" (click)="reply.emit()"><rts-icon name="reply" /></button>
      }
      @if (mayCopy()) {
        <button type="button" class="icon-button small" [attr.aria-label]="i18n.t().conversation.copy" [title]="i18n.t().conversation.copy" (click)="copy()"><rts-icon name="copy" /></button>
      }
      @if (mayEdit()) {
        <button type="button" class="icon-button small" [attr.aria-label]="i18n.t().conversation.edit" [title]="i18n.t().conversation.edit" (click)="edit.emit()"><rts-icon name="edit" /></button>
      }
      @if (mayDelete()) {
        <button type="button" class="icon-button small danger" [attr.aria-label]="i18n.t().conversation.delete" [title]="i18n.t().conversation.delete" (click)="delete()"><rts-icon name="trash" /></button>
      }
    </div>
    @if (palette()) {
      <div class="palette" role="group" [attr.aria-label]="i18n.t().conversation.react">
        @for (emoji of emoji; track emoji) {
          <button type="button" [attr.aria-label]="i18n.t().conversation.reactWith(emoji)" (click)="take(emoji)">{{ emoji }}</button>
        }
        <button type="button" class="more" [attr.aria-label]="i18n.t().emoji.more" [title]="i18n.t().emoji.more" (click)="takeMore()"><rts-icon name="plus" /></button>
      </div>
    }
  `,
  host: { class: 'message-actions', '(keydown)': 'key($event)' },
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class MessageActions extends MessageVerbs {
  protected readonly palette = signal(false);

  constructor() {
    super();
    effect(() => {
      if (this.palette()) {
        untracked(() => setTimeout(() => this.host.querySelector<HTMLElement>('.palette button')?.focus()));
      }
    });
  }

  protected take(emoji: string): void {
    this.toRow();
    this.palette.set(false);
    this.react(emoji);
  }

  protected takeMore(): void {
    this.toRow();
    this.palette.set(false);
    void this.reactMore();
  }

  protected key(event: KeyboardEvent): void {
    const buttons = [...((event.target as HTMLElement).closest('[role]')?.querySelectorAll<HTMLElement>('button') ?? [])];
    const at = buttons.indexOf(event.target as HTMLElement);
    const steps: Record<string, number> = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: -1 };
    const to = steps[event.key];
    if (to !== undefined) {
      buttons.at(to % buttons.length)?.focus();
    } else if (event.key !== 'Escape') {
      return;
    } else if (this.palette()) {
      this.palette.set(false);
      this.host.querySelector<HTMLElement>('[aria-expanded]')?.focus();
    } else {
      this.toRow();
    }
    event.preventDefault();
    event.stopPropagation();
  }

  /** Moves the focus to the message before the focused action disappears. */
  private toRow(): void {
    this.host.closest<HTMLElement>('[data-key]')?.focus({ preventScroll: true });
  }
}
