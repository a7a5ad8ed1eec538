import { ChangeDetectionStrategy, Component, computed, inject, input } from '@angular/core';
import { Chat } from '../core/chat';
import { RtsRoom } from '../rts';
import { isEmojiOnly, tokens } from './tokens';

/** A message's text: only ever text nodes, links, and mentions. */
@Component({
  selector: 'rts-message-text',
  template: `
    @for (token of tokens(); track $index) {
      @switch (token.kind) {
        @case ('link') {<a [href]="token.href" target="_blank" rel="noopener noreferrer">{{ token.text }}</a>}
        @case ('mention') {<span class="mention" [class.me]="chat.isMe(token.userId)">&#64;{{ chat.name(token.userId) }}</span>}
        @default {{{ token.text }}}
      }
    }
  `,
  host: { class: 'text', '[class.emoji]': 'emoji()' },
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class MessageText {
  protected readonly chat = inject(Chat);
  readonly body = input.required<string>();
  readonly room = input.required<RtsRoom>();
  private readonly memberIds = computed(() => new Set(this.room().members().map((member) => member.userId)));
  protected readonly tokens = computed(() => tokens(this.body(), (userId) => this.memberIds().has(userId)));
  protected readonly emoji = computed(() => isEmojiOnly(this.body()));
}
