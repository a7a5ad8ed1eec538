import { ChangeDetectionStrategy, Component, ElementRef, computed, effect, inject, input, model, signal, untracked, viewChild } from '@angular/core';
import { Chat } from '../core/chat';
import { I18n } from '../i18n/i18n';
import { FoundUser } from '../rts';
import { Avatar } from '../ui/avatar';
import { Icon } from '../ui/icon';

const PAUSE_MS = 200;
let made = 0;

/**
 * Chooses people: from the directory where the server has one, from those met before, or by typing an id.
 * A combobox: arrows move, Enter takes, Backspace in the empty field takes the last one out.
 */
@Component({
  selector: 'rts-people-picker',
  imports: [Avatar, Icon],
  templateUrl: './people-picker.html',
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class PeoplePicker {
  protected readonly i18n = inject(I18n);
  protected readonly chat = inject(Chat);
  private readonly field = viewChild.required<ElementRef<HTMLInputElement>>('field');
  readonly chosen = model.required<readonly FoundUser[]>();
  /** Those who need no choosing, such as present members. */
  readonly except = input<readonly string[]>([]);
  protected readonly id = `picker-${++made}`;
  protected readonly query = signal('');
  protected readonly active = signal(0);
  private readonly directory = signal<readonly FoundUser[]>([]);

  protected readonly options = computed<readonly (FoundUser & { byId?: true })[]>(() => {
    const wanted = this.query().trim();
    const lower = wanted.toLocaleLowerCase();
    const matches = ({ userId, displayName }: FoundUser): boolean =>
      userId.toLocaleLowerCase().startsWith(lower) || displayName.toLocaleLowerCase().includes(lower);
    const met = [...this.chat.people().all().values()].filter(matches);
    const bySeen = new Map([...this.directory(), ...met].map((user) => [user.userId, user]));
    const hidden = new Set([...this.except(), ...this.chosen().map((user) => user.userId), this.chat.client().userId]);
    const found = [...bySeen.values()].filter((user) => !hidden.has(user.userId)).slice(0, 20);
    const exact = wanted === '' || hidden.has(wanted) || bySeen.has(wanted);
    return exact ? found : [...found, { userId: wanted, displayName: wanted, byId: true }];
  });

  constructor() {
    effect((onCleanup) => {
      const query = this.query().trim();
      this.active.set(0);
      const timer = setTimeout(() => untracked(() => void this.search(query)), PAUSE_MS);
      onCleanup(() => clearTimeout(timer));
    });
  }

  protected choose(user: FoundUser): void {
    const { userId, displayName, status } = user;
    this.chosen.update((all) => [...all, { userId, displayName, ...(status ? { status } : {}) }]);
    this.query.set('');
    this.field().nativeElement.value = '';
    this.field().nativeElement.focus();
  }

  protected remove(userId: string): void {
    this.chosen.update((all) => all.filter((user) => user.userId !== userId));
    this.field().nativeElement.focus();
  }

  protected key(event: KeyboardEvent): void {
    const options = this.options();
    if (event.isComposing) {
      return;
    }
    if (event.key === 'ArrowDown' || event.key === 'ArrowUp') {
      event.preventDefault();
      const step = event.key === 'ArrowDown' ? 1 : options.length - 1;
      this.active.update((index) => (options.length === 0 ? 0 : (index + step) % options.length));
    } else if (event.key === 'Enter') {
      const option = options[this.active()];
      if (this.query().trim() !== '' && option !== undefined) {
        event.preventDefault();
        this.choose(option);
      }
    } else if (event.key === 'Backspace' && this.query() === '') {
      this.chosen.update((all) => all.slice(0, -1));
    }
  }

  private async search(query: string): Promise<void> {
    const client = this.chat.client();
    if (!client.supports('SearchUsers')) {
      return;
    }
    try {
      const { users } = await client.invoke('SearchUsers', { limit: 20, ...(query ? { query } : {}) });
      client.people.learn(users);
      if (query === this.query().trim()) {
        this.directory.set(users);
      }
    } catch {
      // Without the directory there are those met before, and ids.
    }
  }
}
