import { ChangeDetectionStrategy, Component, computed, inject, signal } from '@angular/core';
import { Chat } from '../core/chat';
import { Panels } from '../core/panels';
import { Route } from '../core/route';
import { I18n } from '../i18n/i18n';
import { Avatar } from '../ui/avatar';
import { Combobox } from '../ui/combobox';
import { Dialog } from '../ui/dialog';
import { Icon, IconName } from '../ui/icon';
import { isComposing } from '../ui/keys';

const ROOMS_MAX = 8;

interface Target {
  key: string;
  icon?: IconName;
  seed: string;
  group: boolean;
  label: string;
  detail: string;
  go: () => void;
}

/**
 * Goes to a chat or runs a command by a few letters: chats in the list's order, then commands. Arrow keys move, Enter
 * chooses, Escape closes.
 */
@Component({
  selector: 'rts-jump',
  imports: [Avatar, Combobox, Dialog, Icon],
  template: `
    <rts-dialog class="jump" [heading]="i18n.t().jump.title" (closed)="panels.jump.set(false)">
      <div class="search">
        <rts-icon name="search" />
        <input
          #field
          rtsCombobox
          aria-controls="jump-targets"
          [attr.aria-expanded]="targets().length > 0"
          [attr.aria-activedescendant]="targets().length > 0 ? 'jump-' + active() : null"
          [attr.aria-label]="i18n.t().jump.label"
          [placeholder]="i18n.t().jump.label"
          (input)="search(field.value)"
          (keydown)="key($event)"
        />
      </div>
      <ul class="options" role="listbox" id="jump-targets" [attr.aria-label]="i18n.t().jump.title">
        @for (target of targets(); track target.key; let index = $index) {
          <li role="option" [id]="'jump-' + index" [class.active]="index === active()" [attr.aria-selected]="index === active()" (click)="take(target)" (mousemove)="active.set(index)">
            @if (target.icon; as icon) {
              <span class="avatar plain"><rts-icon [name]="icon" /></span>
            } @else {
              <rts-avatar [name]="target.label" [seed]="target.seed" [group]="target.group" />
            }
            <span class="who"><strong dir="auto">{{ target.label }}</strong>@if (target.detail) {<span class="muted" dir="auto">{{ target.detail }}</span>}</span>
          </li>
        }
      </ul>
      @if (targets().length === 0) {
        <p class="hint" role="status">{{ i18n.t().rooms.noMatch }}</p>
      }
    </rts-dialog>
  `,
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class Jump {
  protected readonly i18n = inject(I18n);
  protected readonly panels = inject(Panels);
  private readonly chat = inject(Chat);
  private readonly route = inject(Route);
  private readonly query = signal('');
  protected readonly active = signal(0);

  protected readonly targets = computed<readonly Target[]>(() => {
    const { rooms, settings } = this.i18n.t();
    const wanted = this.query().trim().toLocaleLowerCase();
    const matches = ({ label, detail }: Target): boolean => label.toLocaleLowerCase().includes(wanted) || detail.toLocaleLowerCase().includes(wanted);
    const chats = this.chat.client().roomList().map((room): Target => {
      const { roomId, kind, caseId = '' } = room.info();
      const seed = this.chat.partner(room) ?? roomId;
      return { key: roomId, seed, group: kind === 'group', label: this.chat.title(room), detail: caseId, go: () => this.route.room(roomId) };
    });
    const thing = (icon: IconName, label: string, go: () => void): Target => ({ key: icon, icon, seed: '', group: false, label, detail: '', go });
    const things = [
      thing('plus', rooms.newChat, () => this.panels.newChat.set(true)),
      thing('archive', rooms.archived, () => this.route.setArchive(true)),
      thing('settings', settings, () => this.panels.settings.set(true)),
    ];
    return [...chats.filter(matches).slice(0, ROOMS_MAX), ...things.filter(matches)];
  });

  protected search(query: string): void {
    this.query.set(query);
    this.active.set(0);
  }

  protected take(target: Target): void {
    this.panels.jump.set(false);
    target.go();
  }

  protected key(event: KeyboardEvent): void {
    const { length } = this.targets();
    const steps: Record<string, number> = { ArrowDown: 1, ArrowUp: length - 1 };
    const step = steps[event.key];
    const target = this.targets()[this.active()];
    if (isComposing(event) || target === undefined) {
      return;
    }
    if (step !== undefined) {
      event.preventDefault();
      this.active.update((index) => (index + step) % length);
      document.getElementById(`jump-${this.active()}`)?.scrollIntoView({ block: 'nearest' });
    } else if (event.key === 'Enter') {
      event.preventDefault();
      this.take(target);
    }
  }
}
