import { ChangeDetectionStrategy, Component, ElementRef, computed, inject, signal, viewChild } from '@angular/core';
import { I18n } from '../i18n/i18n';
import { Combobox } from '../ui/combobox';
import { Dialog } from '../ui/dialog';
import { Icon } from '../ui/icon';
import { isComposing } from '../ui/keys';
import { EMOJI_GROUPS, Emoji, searchEmoji } from './emoji';
import { EmojiChoice } from './emoji-choice';

/** All emoji by group, with a search: a combobox over a grid, where arrow keys move and Enter chooses. */
@Component({
  selector: 'rts-emoji-picker',
  imports: [Combobox, Dialog, Icon],
  template: `
    <rts-dialog class="emoji-dialog" [heading]="i18n.t().emoji.title" [keyboard]="false" (closed)="choice.answer()?.(undefined)">
      <div class="search">
        <rts-icon name="search" />
        <input
          #field
          rtsCombobox
          aria-controls="emoji-grid"
          aria-expanded="true"
          [attr.aria-activedescendant]="flat().length > 0 ? 'emoji-' + active() : null"
          [attr.aria-label]="i18n.t().emoji.search"
          [placeholder]="i18n.t().emoji.search"
          (input)="search(field.value)"
          (keydown)="key($event)"
        />
      </div>
      <div #grid id="emoji-grid" class="emoji-grid scroll" role="listbox" [attr.aria-label]="i18n.t().emoji.title">
        @for (section of sections(); track section.title) {
          <div role="group" [attr.aria-label]="section.title">
            <div class="group" aria-hidden="true">{{ section.title }}</div>
            @for (emoji of section.all; track emoji; let index = $index) {
              <button
                type="button"
                role="option"
                tabindex="-1"
                [id]="'emoji-' + (section.from + index)"
                [class.active]="active() === section.from + index"
                [attr.aria-selected]="active() === section.from + index"
                [attr.aria-label]="named(emoji)"
                (mousemove)="active.set(section.from + index)"
                (click)="choice.answer()?.(emoji.emoji)"
              >{{ emoji.emoji }}</button>
            }
          </div>
        } @empty {
          <p class="hint">{{ i18n.t().emoji.none }}</p>
        }
      </div>
      <p class="emoji-name" aria-hidden="true">
        @if (flat()[active()]; as emoji) {
          <span>{{ emoji.emoji }}</span> {{ named(emoji) }} <span class="muted">:{{ emoji.name }}:</span>
        }
      </p>
    </rts-dialog>
  `,
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class EmojiPicker {
  protected readonly i18n = inject(I18n);
  protected readonly choice = inject(EmojiChoice);
  private readonly grid = viewChild.required<ElementRef<HTMLElement>>('grid');
  private readonly query = signal('');
  protected readonly active = signal(0);

  protected readonly sections = computed(() => {
    const { found, groups } = this.i18n.t().emoji;
    const all: [string, readonly Emoji[]][] =
      this.query().trim() === ''
        ? [[groups.recent, this.choice.recent()], ...EMOJI_GROUPS.map(({ group, all: emoji }): [string, readonly Emoji[]] => [groups[group], emoji])]
        : [[found, searchEmoji(this.query())]];
    let from = 0;
    return all
      .filter(([, emoji]) => emoji.length > 0)
      .map(([title, emoji]) => {
        from += emoji.length;
        return { title, all: emoji, from: from - emoji.length };
      });
  });
  protected readonly flat = computed(() => this.sections().flatMap(({ all }) => all));

  protected named({ name, korean }: Emoji): string {
    return this.i18n.language() === 'ko' ? korean : name.replaceAll('_', ' ');
  }

  protected search(query: string): void {
    this.query.set(query);
    this.active.set(0);
    this.grid().nativeElement.scrollTop = 0;
  }

  protected key(event: KeyboardEvent): void {
    const moves: Record<string, () => number> = {
      ArrowLeft: () => this.active() - 1,
      ArrowRight: () => this.active() + 1,
      ArrowUp: () => this.inRow(-1),
      ArrowDown: () => this.inRow(1),
    };
    const move = moves[event.key];
    if (isComposing(event) || (move === undefined && event.key !== 'Enter')) {
      return;
    }
    event.preventDefault();
    if (move === undefined) {
      const emoji = this.flat()[this.active()];
      if (emoji !== undefined) {
        this.choice.answer()?.(emoji.emoji);
      }
      return;
    }
    this.active.set(Math.max(0, Math.min(this.flat().length - 1, move())));
    this.options()[this.active()]?.scrollIntoView({ block: 'nearest' });
  }

  /** Returns the nearest emoji in the next row, across groups. */
  private inRow(step: 1 | -1): number {
    const places = this.options().map((option) => option.getBoundingClientRect());
    const here = places[this.active()];
    const beyond = places.filter(({ top }) => here !== undefined && (top - here.top) * step > 4);
    const row = step > 0 ? Math.min(...beyond.map(({ top }) => top)) : Math.max(...beyond.map(({ top }) => top));
    const away = ({ left }: DOMRect): number => Math.abs(left - (here?.left ?? 0));
    const [nearest] = beyond.filter(({ top }) => Math.abs(top - row) < 4).sort((a, b) => away(a) - away(b));
    return nearest === undefined ? this.active() : places.indexOf(nearest);
  }

  private options(): HTMLElement[] {
    return [...this.grid().nativeElement.querySelectorAll<HTMLElement>('[role=option]')];
  }
}
