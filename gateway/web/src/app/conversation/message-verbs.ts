import { Directive, ElementRef, computed, inject, input, output } from '@angular/core';
import { Chat } from '../core/chat';
import { Confirm } from '../core/confirm';
import { Notices } from '../core/notices';
import { folded } from '../emoji/emoji';
import { EmojiChoice } from '../emoji/emoji-choice';
import { I18n } from '../i18n/i18n';
import { Message, RtsRoom } from '../rts';

/** The actions of a message, shared by the bar and the sheet. */
@Directive()
export abstract class MessageVerbs {
  protected readonly i18n = inject(I18n);
  protected readonly chat = inject(Chat);
  private readonly confirm = inject(Confirm);
  private readonly notices = inject(Notices);
  private readonly choice = inject(EmojiChoice);
  protected readonly host = inject<ElementRef<HTMLElement>>(ElementRef).nativeElement;
  readonly room = input.required<RtsRoom>();
  readonly message = input.required<Message>();
  readonly reply = output();
  readonly edit = output();
  protected readonly emoji = ['👍', '❤️', '😂', '😮', '😢', '🎉', '🙏', '✅'];
  protected readonly own = computed(() => this.chat.isMe(this.message().senderId));
  protected readonly writable = computed(() => !this.room().info().archived);
  protected readonly mayReact = computed(() => this.writable() && this.chat.client().supports('React'));
  protected readonly mayCopy = computed(() => this.message().body !== '');
  protected readonly mayEdit = computed(() => this.own() && this.writable());
  protected readonly mayDelete = computed(() => {
    const owner = this.room().info().kind === 'group' && this.room().mine()?.role === 'owner';
    return (this.own() || owner) && this.writable();
  });

  /** Sets a reaction, or removes the user's own. */
  protected react(emoji: string): void {
    const { seq, reactions } = this.message();
    const before = reactions.find((reaction) => folded(reaction.emoji) === folded(emoji));
    const mine = before?.userIds.includes(this.chat.client().userId) ?? false;
    this.choice.used(emoji);
    void this.notices.attempt(() => this.room().react(seq, before?.emoji ?? emoji, !mine));
  }

  protected async reactMore(): Promise<void> {
    const emoji = await this.choice.ask();
    if (emoji !== undefined) {
      this.react(emoji);
    }
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
