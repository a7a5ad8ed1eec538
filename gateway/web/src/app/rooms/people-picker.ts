import { ChangeDetectionStrategy, Component, ElementRef, computed, effect, inject, input, model, signal, untracked, viewChild } from '@angular/core';
import { Chat } from '../core/chat';
import { I18n } from '../i18n/i18n';
import { FoundUser, RtsError, toRtsError } from '../rts';
import { Avatar } from '../ui/avatar';
import { Combobox } from '../ui/combobox';
import { Icon } from '../ui/icon';
import { isComposing } from '../ui/keys';

const PAUSE_MS = 200;
let made = 0;

type Option = FoundUser & { byId?: true };

/**
 * Chooses people: from the directory if the server has one, from known users, or by typing an id. A combobox: arrow
 * keys move, Enter chooses (and waits for the answer to the query), Backspace in the empty field removes the last one.
 */
@Component({
  selector: 'rts-people-picker',
  imports: [Avatar, Combobox, Icon],
  templateUrl: './people-picker.html',
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class PeoplePicker {
  protected readonly i18n = inject(I18n);
  protected readonly chat = inject(Chat);
  private readonly field = viewChild.required<ElementRef<HTMLInputElement>>('field');
  readonly chosen = model.required<readonly FoundUser[]>();
  /** Ids that are not offered, such as present members. */
  readonly except = input<readonly string[]>([]);
  protected readonly id = `picker-${++made}`;
  protected readonly query = signal('');
  /** The person that the user moved to; until then the first one is marked. */
  protected readonly marked = signal<string | undefined>(undefined);
  /** True if Enter was pressed before the answer to the query. */
  protected readonly wished = signal(false);
  private readonly answer = signal<{ query: string; users: readonly FoundUser[] }>({ query: '', users: [] });
  private readonly settled = computed(() => this.answer().query === this.query().trim() || !this.chat.client().supports('SearchUsers'));
  protected readonly failed = signal<RtsError | undefined>(undefined);

  protected readonly options = computed<readonly Option[]>(() => {
    const wanted = this.query().trim();
    const lower = wanted.toLocaleLowerCase();
    const matches = ({ userId, displayName }: FoundUser): boolean =>
      userId.toLocaleLowerCase().startsWith(lower) || displayName.toLocaleLowerCase().includes(lower);
    const met = [...this.chat.people().all().values()].filter(matches);
    const directory = this.settled() ? this.answer().users : [];
    // Known users keep their position when the answer arrives, so that nobody else moves under the pointer.
    const bySeen = new Map([...met, ...directory].map((user) => [user.userId, user]));
    const hidden = new Set([...this.except(), ...this.chosen().map((user) => user.userId), this.chat.client().userId]);
    const found = [...bySeen.values()].filter((user) => !hidden.has(user.userId)).slice(0, 20);
    const exact = wanted === '' || hidden.has(wanted) || bySeen.has(wanted);
    return exact ? found : [...found, { userId: wanted, displayName: wanted, byId: true }];
  });
  protected readonly active = computed(() => Math.max(0, this.options().findIndex(({ userId }) => userId === this.marked())));

  constructor() {
    effect((onCleanup) => {
      const query = this.query().trim();
      this.marked.set(undefined);
      this.wished.set(false);
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
    if (isComposing(event)) {
      return;
    }
    if (event.key === 'ArrowDown' || event.key === 'ArrowUp') {
      event.preventDefault();
      const step = event.key === 'ArrowDown' ? 1 : options.length - 1;
      this.marked.set(options[(this.active() + step) % options.length]?.userId);
    } else if (event.key === 'Enter' && this.query().trim() !== '') {
      event.preventDefault();
      this.take();
    } else if (event.key === 'Backspace' && this.query() === '') {
      this.chosen.update((all) => all.slice(0, -1));
    }
  }

  /** Takes the person that the user moved to, else the first one, once the answer shows who matches the query. */
  private take(): void {
    const option = this.options()[this.active()];
    if (!this.settled() && this.marked() === undefined) {
      this.wished.set(true);
    } else if (option !== undefined) {
      this.choose(option);
    }
  }

  private async search(query: string): Promise<void> {
    const client = this.chat.client();
    if (!client.supports('SearchUsers')) {
      this.wished.set(false);
      return;
    }
    let found: readonly FoundUser[] | undefined;
    try {
      ({ users: found } = await client.invoke('SearchUsers', { limit: 20, ...(query ? { query } : {}) }));
      client.people.learn(found);
      this.failed.set(undefined);
    } catch (failure) {
      // Without the directory there are known users, and ids.
      const error = toRtsError(failure);
      this.failed.set(error.code === 'unsupported' ? undefined : error);
    }
    if (query === this.query().trim()) {
      this.answer.set({ query, users: found ?? [] });
      const meant = this.wished() && found !== undefined ? whoIsMeant(query, this.options()) : undefined;
      this.wished.set(false);
      if (meant !== undefined) {
        this.choose(meant);
      }
    }
  }
}

/** Returns the only person with that id or name, else the only person at all. */
function whoIsMeant(query: string, options: readonly Option[]): FoundUser | undefined {
  const lower = query.toLocaleLowerCase();
  const people = options.filter(({ byId }) => !byId);
  const exact = people.filter(({ userId, displayName }) => userId === query || displayName.toLocaleLowerCase() === lower);
  const [only, ...others] = exact.length > 0 ? exact : people;
  return others.length === 0 ? only : undefined;
}
