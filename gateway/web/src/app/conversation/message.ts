import { ChangeDetectionStrategy, Component, computed, effect, inject, input, output, untracked } from '@angular/core';
import { Chat } from '../core/chat';
import { Notices } from '../core/notices';
import { emojiOf } from '../emoji/emoji';
import { I18n } from '../i18n/i18n';
import { listOf } from '../i18n/isolate';
import { Message, RtsRoom, Seq, readers } from '../rts';
import { Avatar } from '../ui/avatar';
import { Icon, IconName } from '../ui/icon';
import { AttachmentView } from './attachment';
import { MessageActions } from './message-actions';
import { MessageText } from './message-text';
import { BubbleRow } from './rows';

const STATE_ICONS: Record<string, IconName> = {
  queued: 'clock', sending: 'clock', failed: 'warning', sent: 'check', stored: 'check', delivered: 'checks', read: 'checks',
};

/** One message with its quote, files, reactions and state. */
@Component({
  selector: 'rts-message',
  imports: [AttachmentView, Avatar, Icon, MessageActions, MessageText],
  templateUrl: './message.html',
  host: {
    class: 'message',
    role: 'article',
    '[class.mine]': 'row().mine',
    '[class.first]': 'row().first',
    '[class.last]': 'row().last',
    '[attr.aria-label]': 'label()',
  },
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class MessageView {
  protected readonly i18n = inject(I18n);
  protected readonly chat = inject(Chat);
  private readonly notices = inject(Notices);
  readonly room = input.required<RtsRoom>();
  readonly row = input.required<BubbleRow>();
  /** True if its actions are shown. */
  readonly active = input(false);
  readonly reply = output<Message>();
  readonly edit = output<Message>();
  readonly jump = output<Seq>();

  protected readonly body = computed(() => this.row().message?.body ?? this.row().outgoing?.body ?? '');
  protected readonly mentions = computed(() => this.row().message && (this.row().message?.mentions ?? []));
  protected readonly files = computed(() => this.row().message?.attachments ?? this.row().outgoing?.attachments ?? []);
  protected readonly deleted = computed(() => this.row().message?.deleted ?? false);
  protected readonly grouped = computed(() => this.room().info().kind === 'group');
  protected readonly sender = computed(() => this.chat.name(this.row().senderId));
  /** The label that a screen reader reads out. */
  private readonly spoken = computed(() => {
    const names = this.files().map(({ fileName }) => fileName);
    const mentions = this.mentions() ?? this.room().members().map(({ userId }) => userId);
    return this.deleted() ? this.i18n.t().conversation.deleted : [this.chat.line({ body: this.body(), mentions }), ...names].filter(Boolean).join(', ');
  });
  protected readonly label = computed(() => this.i18n.t().conversation.says(this.sender(), this.i18n.time(this.row().atMs), this.spoken()));

  protected readonly state = computed(() => {
    const { message, outgoing, mine } = this.row();
    if (!mine || message?.deleted) {
      return undefined;
    }
    return message !== undefined ? this.room().sendState(message) : outgoing?.state;
  });
  protected readonly stateIcon = computed(() => STATE_ICONS[this.state() ?? 'sent'] ?? 'check');
  protected readonly stateTitle = computed(() => {
    const { conversation, state } = this.i18n.t();
    const seq = this.row().message?.seq;
    const others = this.room().members().filter((member) => !this.chat.isMe(member.userId));
    const read = seq === undefined || !this.grouped() ? [] : readers(seq, others, this.room().receipts());
    return read.length > 0 ? conversation.readBy(listOf(read.map((m) => this.chat.name(m.userId)))) : state[this.state() ?? 'sent'];
  });

  protected readonly editedTitle = computed(() => this.i18n.full(Date.parse(this.row().message?.editedAt ?? '') || this.row().atMs));
  protected readonly quoteSeq = computed(() => this.row().message?.replyTo ?? this.row().outgoing?.replyTo);
  protected readonly quote = computed(() => {
    const seq = this.quoteSeq();
    return seq === undefined ? undefined : this.room().history.cited(seq);
  });

  constructor() {
    effect(() => {
      const seq = this.quoteSeq();
      // If it fails, the next connection asks again.
      if (seq !== undefined && this.quote() === undefined && this.chat.client().connection.state() === 'online') {
        untracked(() => this.room().history.fetchCited(seq).catch(() => undefined));
      }
    });
  }

  protected quoteText(message: Message): string {
    return message.deleted ? this.i18n.t().conversation.deleted : this.chat.summary(message);
  }

  protected names(userIds: readonly string[]): string {
    return listOf(userIds.map((userId) => (this.chat.isMe(userId) ? this.i18n.t().rooms.you : this.chat.name(userId))));
  }

  /** Returns the coloured form of an emoji; the server keeps the plain one. */
  protected sign(emoji: string): string {
    return emojiOf(emoji)?.emoji ?? emoji;
  }

  protected reacted(userIds: readonly string[]): boolean {
    return userIds.includes(this.chat.client().userId);
  }

  protected react(message: Message, emoji: string, on: boolean): void {
    void this.notices.attempt(() => this.room().react(message.seq, emoji, on));
  }

  protected retry(): void {
    this.chat.client().outbox.retry(this.clientId());
  }

  protected discard(): void {
    this.chat.client().outbox.discard(this.clientId());
  }

  private clientId(): string {
    return this.row().message?.clientId ?? this.row().outgoing?.clientId ?? '';
  }
}
