import { ChangeDetectionStrategy, Component, computed, inject, input, output, signal } from '@angular/core';
import { Chat } from '../core/chat';
import { Confirm } from '../core/confirm';
import { Notices } from '../core/notices';
import { I18n } from '../i18n/i18n';
import { Message, RtsRoom } from '../rts';
import { Icon } from '../ui/icon';

const EMOJI = ['👍', '❤️', '😂', '😮', '😢', '🎉', '🙏', '✅'];

/** What can be done with a message; shown while the pointer or the focus is on it. */
@Component({
  selector: 'rts-message-actions',
  imports: [Icon],
  template: `
    @if (palette()) {
      <div class="palette" role="group" [attr.aria-label]="i18n.t().conversation.react">
        @for (emoji of emoji; track emoji) {
          <button type="button" [attr.aria-label]="i18n.t().conversation.reactWith(emoji)" (click)="react(emoji)">{{ emoji }}</button>
        }
      </div>
    }
    <div class="toolbar" role="toolbar" [attr.aria-label]="i18n.t().conversation.actions">
      @if (chat.client().supports('React') && !readOnly()) {
        <button type="button" class="icon-button small" [attr.aria-label]="i18n.t().conversation.react" [title]="i18n.t().conversation.react" [attr.aria-expanded]="palette()" (click)="palette.set(!palette())"><rts-icon name="smile" /></button>
      }
      @if (!readOnly()) {
        <button type="button" class="icon-button small" [attr.aria-label]="i18n.t().conversation.reply" [title]="i18n.t().conversation.reply" (click)="reply.emit()"><rts-icon name="reply" /></button>
      }
      @if (message().body !== '') {
        <button type="button" class="icon-button small" [attr.aria-label]="i18n.t().conversation.copy" [title]="i18n.t().conversation.copy" (click)="copy()"><rts-icon name="copy" /></button>
      }
      @if (own() && !readOnly()) {
        <button type="button" class="icon-button small" [attr.aria-label]="i18n.t().conversation.edit" [title]="i18n.t().conversation.edit" (click)="edit.emit()"><rts-icon name="edit" /></button>
      }
      @if ((own() || owner()) && !readOnly()) {
        <button type="button" class="icon-button small danger" [attr.aria-label]="i18n.t().conversation.delete" [title]="i18n.t().conversation.delete" (click)="delete()"><rts-icon name="trash" /></button>
      }
    </div>
  `,
  host: { class: 'message-actions' },
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class MessageActions {
  protected readonly i18n = inject(I18n);
  protected readonly chat = inject(Chat);
  private readonly confirm = inject(Confirm);
  private readonly notices = inject(Notices);
  readonly room = input.required<RtsRoom>();
  readonly message = input.required<Message>();
  readonly reply = output();
  readonly edit = output();
  protected readonly emoji = EMOJI;
  protected readonly palette = signal(false);
  protected readonly own = computed(() => this.chat.isMe(this.message().senderId));
  protected readonly owner = computed(() => this.room().info().kind === 'group' && this.room().mine()?.role === 'owner');
  protected readonly readOnly = computed(() => this.room().info().archived);

  protected react(emoji: string): void {
    this.palette.set(false);
    const mine = this.message().reactions.find((reaction) => reaction.emoji === emoji)?.userIds.includes(this.chat.client().userId) ?? false;
    void this.notices.attempt(() => this.room().react(this.message().seq, emoji, !mine));
  }

  protected copy(): void {
    void this.notices.attempt(async () => {
      await navigator.clipboard.writeText(this.chat.text(this.message()));
      this.notices.show(this.i18n.t().conversation.copied);
    });
  }

  protected async delete(): Promise<void> {
    const { confirm, conversation } = this.i18n.t();
    if (await this.confirm.ask(confirm.delete, conversation.delete)) {
      await this.notices.attempt(() => this.room().delete(this.message().seq));
    }
  }
}
