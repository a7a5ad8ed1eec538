import { ChangeDetectionStrategy, Component, OnDestroy, computed, inject, input, output, signal } from '@angular/core';
import { Chat } from '../core/chat';
import { Confirm } from '../core/confirm';
import { Mutes } from '../core/mutes';
import { Notices } from '../core/notices';
import { Route } from '../core/route';
import { I18n } from '../i18n/i18n';
import { PeoplePicker } from '../rooms/people-picker';
import { FoundUser, Member, RtsRoom, jsonLines } from '../rts';
import { Autofocus } from '../ui/autofocus';
import { Avatar } from '../ui/avatar';
import { Dialog } from '../ui/dialog';
import { Icon } from '../ui/icon';
import { save } from './save';

/** The members of a room, and its settings. */
@Component({
  selector: 'rts-details',
  imports: [Autofocus, Avatar, Dialog, Icon, PeoplePicker],
  templateUrl: './details.html',
  host: { class: 'details', role: 'complementary', '[attr.aria-label]': 'i18n.t().details.title' },
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class Details implements OnDestroy {
  protected readonly i18n = inject(I18n);
  protected readonly chat = inject(Chat);
  protected readonly mutes = inject(Mutes);
  private readonly confirm = inject(Confirm);
  private readonly notices = inject(Notices);
  private readonly route = inject(Route);
  readonly room = input.required<RtsRoom>();
  readonly closed = output();

  protected readonly adding = signal(false);
  protected readonly added = signal<readonly FoundUser[]>([]);
  protected readonly addFailed = signal<string | undefined>(undefined);
  protected readonly renaming = signal(false);
  protected readonly group = computed(() => this.room().info().kind === 'group');
  protected readonly owner = computed(() => this.room().mine()?.role === 'owner');
  protected readonly archived = computed(() => this.room().info().archived);
  protected readonly title = computed(() => this.chat.title(this.room()));
  protected readonly created = computed(() => Date.parse(this.room().info().createdAt));
  protected readonly memberIds = computed(() => this.room().members().map((member) => member.userId));
  protected readonly members = computed(() =>
    this.chat.members(this.room()).sort((a, b) => a.role.localeCompare(b.role) * -1 || a.displayName.localeCompare(b.displayName, this.i18n.language())),
  );
  /** True for owners; in a direct room that is its creator. */
  protected readonly mayArchive = computed(() => this.owner() && this.chat.client().supports(this.archived() ? 'UnarchiveRoom' : 'ArchiveRoom'));

  /** Progress of a running export. */
  protected readonly exported = signal<{ messages: number } | undefined>(undefined);
  private exporting = new AbortController();

  ngOnDestroy(): void {
    this.cancelExport();
  }

  protected presence(userId: string): string {
    const { status, lastSeenAt } = this.chat.people().person(userId);
    const { presence } = this.i18n.t();
    return status === undefined ? '' : status === 'offline' && lastSeenAt ? presence.lastSeen(this.i18n.moment(Date.parse(lastSeenAt))) : presence[status];
  }

  protected async rename(event: Event, name: string): Promise<void> {
    event.preventDefault();
    const wanted = name.trim();
    if (wanted === '' || (await this.notices.attempt(() => this.room().rename(wanted)))) {
      this.renaming.set(false);
    }
  }

  protected async add(): Promise<void> {
    const userIds = this.added().map((user) => user.userId);
    this.addFailed.set(undefined);
    try {
      const room = await this.room().addMembers(userIds);
      if (room.roomId !== this.room().roomId) {
        this.route.room((await this.chat.client().openRoom(room.roomId)).roomId);
      }
      this.adding.set(false);
      this.added.set([]);
    } catch (failure) {
      // A notice behind the dialog would not be seen.
      this.addFailed.set(this.notices.reason(failure));
    }
  }

  protected async remove({ userId, displayName }: Member): Promise<void> {
    const { confirm, details } = this.i18n.t();
    if (await this.confirm.ask(confirm.remove(displayName), details.remove(displayName))) {
      await this.notices.attempt(() => this.room().removeMember(userId));
    }
  }

  protected async leave(): Promise<void> {
    const { confirm, details } = this.i18n.t();
    if ((await this.confirm.ask(confirm.leave, details.leave)) && (await this.notices.attempt(() => this.room().leave()))) {
      this.route.list();
    }
  }

  /** Saves the whole room as a file, one message per line. */
  protected async export(): Promise<void> {
    const room = this.room();
    const { signal: aborted } = (this.exporting = new AbortController());
    this.exported.set({ messages: 0 });
    await this.notices.attempt(async () => {
      try {
        const file = await jsonLines(room.messages(), (messages) => !aborted.aborted && this.exported.set({ messages }), aborted);
        save(file, `${this.chat.title(room)}.jsonl`);
      } catch (failure) {
        if (!aborted.aborted) {
          throw failure;
        }
      }
    });
    if (!aborted.aborted) {
      this.exported.set(undefined);
    }
  }

  protected cancelExport(): void {
    this.exporting.abort();
    this.exported.set(undefined);
  }

  protected async archive(): Promise<void> {
    const { confirm, details } = this.i18n.t();
    if (this.archived() || (await this.confirm.ask(confirm.archive, details.archive))) {
      await this.notices.attempt(() => this.room().archive(!this.archived()));
    }
  }
}
