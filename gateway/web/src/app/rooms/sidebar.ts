import { ChangeDetectionStrategy, Component, computed, inject, signal } from '@angular/core';
import { Chat } from '../core/chat';
import { Panels } from '../core/panels';
import { Route } from '../core/route';
import { forgetDevUser } from '../core/sign-in-dev';
import { forgetOidc } from '../core/sign-in-oidc';
import { I18n } from '../i18n/i18n';
import { MessageHits } from '../search/message-hits';
import { isSearchable } from '../search/searchable';
import { Avatar } from '../ui/avatar';
import { Dialog } from '../ui/dialog';
import { Icon } from '../ui/icon';
import { NotificationPreferences } from '../ui/notification-preferences';
import { Preferences } from '../ui/preferences';
import { ArchiveList } from './archive-list';
import { NewChat } from './new-chat';
import { RoomItem } from './room-item';

/** The list of chats with its search, the archive, and the button for a new chat. */
@Component({
  selector: 'rts-sidebar',
  imports: [ArchiveList, Avatar, Dialog, Icon, MessageHits, NewChat, NotificationPreferences, Preferences, RoomItem],
  templateUrl: './sidebar.html',
  host: { class: 'sidebar' },
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class Sidebar {
  protected readonly i18n = inject(I18n);
  protected readonly chat = inject(Chat);
  protected readonly route = inject(Route);
  protected readonly query = signal('');
  protected readonly making = inject(Panels).newChat;
  protected readonly settings = inject(Panels).settings;

  protected readonly rooms = computed(() => {
    const wanted = this.query().trim().toLocaleLowerCase();
    const all = this.chat.client().roomList();
    return wanted === '' ? all : all.filter((room) => this.matches(this.chat.title(room), wanted) || this.matches(room.info().caseId ?? '', wanted));
  });
  protected readonly searchable = computed(() => isSearchable(this.query().trim()));
  protected readonly me = computed(() => ({ ...this.chat.identity(), name: this.chat.name(this.chat.identity().userId) }));

  protected signOut(): void {
    forgetDevUser();
    forgetOidc();
    this.settings.set(false);
    void this.chat.signOut();
  }

  private matches(text: string, wanted: string): boolean {
    return text.toLocaleLowerCase().includes(wanted);
  }
}
