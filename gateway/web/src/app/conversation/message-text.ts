import { ChangeDetectionStrategy, Component, computed, input } from '@angular/core';
import { RtsRoom } from '../rts';
import { MarkedText } from './marked-text';
import { blocksOf } from './text-marks';
import { isEmojiOnly, languageOf } from './tokens';

/** A message's text: only ever text nodes in light marks, links, and mentions. */
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
  /** Whom the server found mentioned; for a text that is on its way, whom it will find. */
  readonly mentions = input<readonly string[] | undefined>();
  private readonly mentioned = computed(() => new Set(this.mentions() ?? this.room().members().map((member) => member.userId)));
  protected readonly blocks = computed(() => blocksOf(this.body(), (userId) => this.mentioned().has(userId)));
  protected readonly language = computed(() => languageOf(this.body()));
  protected readonly emoji = computed(() => isEmojiOnly(this.body()));
}
