import { Injectable, Injector, afterNextRender, inject, signal } from '@angular/core';
import { remember, remembered } from '../core/storage';
import { Emoji, emojiOf } from './emoji';

const RECENT_MAX = 16;

/** Asks for an emoji with the picker; remembers recently used ones on this device. */
@Injectable({ providedIn: 'root' })
export class EmojiChoice {
  private readonly injector = inject(Injector);
  readonly answer = signal<((emoji: string | undefined) => void) | undefined>(undefined);
  readonly recent = signal<readonly Emoji[]>((remembered('emoji') ?? '').split(' ').flatMap((sign) => emojiOf(sign) ?? []));

  ask(): Promise<string | undefined> {
    this.answer()?.(undefined);
    return new Promise((resolve) => {
      this.answer.set((emoji) => {
        this.answer.set(undefined);
        if (emoji !== undefined) {
          this.used(emoji);
        }
        // The caller may take the focus once the picker is gone.
        afterNextRender(() => resolve(emoji), { injector: this.injector });
      });
    });
  }

  used(sign: string): void {
    const emoji = emojiOf(sign);
    if (emoji !== undefined) {
      this.recent.update((all) => [emoji, ...all.filter((each) => each !== emoji)].slice(0, RECENT_MAX));
      remember('emoji', this.recent().map((each) => each.emoji).join(' '));
    }
  }
}
