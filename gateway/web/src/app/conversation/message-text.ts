import { ChangeDetectionStrategy, Component, computed, inject, input } from '@angular/core';
import { Chat } from '../core/chat';
import { RtsRoom } from '../rts';
import { isEmojiOnly, languageOf, tokens } from './tokens';

/** A message's text: only ever text nodes, links, and mentions. */
@Component({
  selector: 'rts-message-text',
  template: `
    @for (token of tokens(); track $index) {
      @switch (token.kind) {
        @case ('link') {<a [href]="token.href" target="_blank" rel="noopener noreferrer">{{ token.text }}</a>}
        @case ('mention') {<bdi class="mention" [class.me]="chat.isMe(token.userId)">&#64;{{ chat.name(token.userId) }}</bdi>}
        @default {{{ token.text }}}
      }
    }
  `,
  host: { class: 'text', '[class.emoji]': 'emoji()', '[attr.lang]': 'language()' },
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class MessageText {
  protected readonly chat = inject(Chat);
  readonly body = input.required<string>();
  readonly room = input.required<RtsRoom>();
  /** Whom the server found mentioned; for a text that is on its way, whom it will find. */
  readonly mentions = input<readonly string[] | undefined>();
  private readonly mentioned = computed(() => new Set(this.mentions() ?? this.room().members().map((member) => member.userId)));
  protected readonly tokens = computed(() => tokens(this.body(), (userId) => this.mentioned().has(userId)));
  protected readonly language = computed(() => languageOf(this.body()));
  protected readonly emoji = computed(() => isEmojiOnly(this.body()));
}
