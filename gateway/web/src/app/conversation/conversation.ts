import { ChangeDetectionStrategy, Component, ElementRef, computed, effect, inject, input, linkedSignal, signal, untracked, viewChild } from '@angular/core';
import { Chat } from '../core/chat';
import { Notices } from '../core/notices';
import { Route } from '../core/route';
import { I18n } from '../i18n/i18n';
import { Message, RtsRoom } from '../rts';
import { Avatar } from '../ui/avatar';
import { Icon } from '../ui/icon';
import { Composer } from './composer';
import { Details } from './details';
import { Drafts } from './drafts';
import { Timeline } from './timeline';

/** One room: its header, its messages, and the composer. */
@Component({
  selector: 'rts-conversation',
  imports: [Avatar, Composer, Details, Icon, Timeline],
  templateUrl: './conversation.html',
  host: {
    class: 'conversation',
    '(dragenter)': 'drag($event, true)',
    '(dragover)': 'drag($event, true)',
    '(dragleave)': 'drag($event, false)',
    '(drop)': 'drop($event)',
  },
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class Conversation {
  protected readonly i18n = inject(I18n);
  protected readonly chat = inject(Chat);
  protected readonly route = inject(Route);
  private readonly drafts = inject(Drafts);
  private readonly notices = inject(Notices);
  private readonly composer = viewChild(Composer);
  private readonly host = inject<ElementRef<HTMLElement>>(ElementRef).nativeElement;
  readonly room = input.required<RtsRoom>();

  protected readonly details = signal(false);
  protected readonly dragging = signal(false);
  protected readonly replyTo = linkedSignal({ source: this.room, computation: ({ roomId }): Message | undefined => untracked(() => this.drafts.get(roomId).replyTo) });
  protected readonly editing = linkedSignal({ source: this.room, computation: ({ roomId }): Message | undefined => untracked(() => this.drafts.get(roomId).editing) });
  protected readonly title = computed(() => this.chat.title(this.room()));
  protected readonly partner = computed(() => this.chat.partner(this.room()));
  protected readonly status = computed(() => this.chat.people().status(this.partner() ?? ''));

  protected readonly subtitle = computed(() => {
    const { kind, memberCount, caseId } = this.room().info();
    const { conversation, presence } = this.i18n.t();
    const partner = this.chat.people().person(this.partner() ?? '');
    const seen = partner.status === 'offline' && partner.lastSeenAt ? presence.lastSeen(this.i18n.moment(Date.parse(partner.lastSeenAt))) : undefined;
    const who = kind === 'group' ? conversation.members(memberCount) : (seen ?? (partner.status ? presence[partner.status] : conversation.direct));
    return caseId === undefined ? who : `${conversation.case(caseId)} · ${who}`;
  });
  protected readonly typing = computed(() => {
    const users = this.room().typing.users();
    return users.length === 0 ? '' : this.i18n.t().conversation.typing(users.map((userId) => this.chat.name(userId)));
  });

  constructor() {
    let heard = Infinity;
    effect(() => {
      const last = this.room().lastMessage();
      untracked(() => {
        if (last !== undefined && last.seq > heard && !this.chat.isMe(last.senderId)) {
          this.notices.announce(this.i18n.t().announce(this.chat.name(last.senderId), this.chat.summary(last)));
        }
        heard = last?.seq ?? 0;
      });
    });
  }

  protected reply(message: Message): void {
    this.editing.set(undefined);
    this.replyTo.set(message);
  }

  protected edit(message: Message): void {
    this.replyTo.set(undefined);
    this.editing.set(message);
  }

  /** Moves the focus from the messages to the composer, or to the header in an archived room, which has none. */
  protected leave(): void {
    const composer = this.composer();
    composer === undefined ? this.host.querySelector<HTMLElement>('.bar button[aria-expanded]')?.focus() : composer.focus();
  }

  protected editLast(): void {
    const last = this.room().timeline.messages().findLast((message) => this.chat.isMe(message.senderId) && !message.deleted && message.body !== '');
    if (last !== undefined) {
      this.edit(last);
    }
  }

  protected drag(event: DragEvent, over: boolean): void {
    if (event.dataTransfer?.types.includes('Files') && this.mayAttach()) {
      event.preventDefault();
      // Entering a child also fires `dragleave` on the parent.
      const inside = (event.currentTarget as HTMLElement).contains(event.relatedTarget as Node | null);
      this.dragging.set(over || inside);
    }
  }

  protected drop(event: DragEvent): void {
    this.dragging.set(false);
    if (this.mayAttach() && event.dataTransfer) {
      event.preventDefault();
      this.composer()?.attach(event.dataTransfer.files);
    }
  }

  private mayAttach(): boolean {
    return !this.room().info().archived && this.chat.client().supports('CreateUpload');
  }
}
