import { ChangeDetectionStrategy, Component, computed, input } from '@angular/core';
import { RtsRoom } from '../rts';
import { MarkedText } from './marked-text';
import { blocksOf } from './text-marks';
import { isEmojiOnly, languageOf } from './tokens';

/** The text of a message: text nodes only, with marks, links and mentions. */
@Component({
  selector: 'rts-message-text',
  imports: [MarkedText],
  template: `<rts-marked-text [blocks]="blocks()" />`,
  host: { class: 'text', '[class.emoji]': 'emoji()', '[attr.lang]': 'language()' },
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class MessageText {
  readonly body = input.required<string>();
  readonly room = input.required<RtsRoom>();
  /** The users that the server found mentioned; absent while a message is being sent. */
  readonly mentions = input<readonly string[] | undefined>();
  private readonly mentioned = computed(() => new Set(this.mentions() ?? this.room().members().map((member) => member.userId)));
  protected readonly blocks = computed(() => blocksOf(this.body(), (userId) => this.mentioned().has(userId)));
  protected readonly language = computed(() => languageOf(this.body()));
  protected readonly emoji = computed(() => isEmojiOnly(this.body()));
}
