import { ChangeDetectionStrategy, Component, computed, inject, output, signal } from '@angular/core';
import { Chat } from '../core/chat';
import { Notices } from '../core/notices';
import { Route } from '../core/route';
import { I18n } from '../i18n/i18n';
import { listOf } from '../i18n/isolate';
import { FoundUser, RtsRoom } from '../rts';
import { Dialog } from '../ui/dialog';
import { PeoplePicker } from './people-picker';

/** Starts a direct chat with one person, or a group with several or with a name. Asks first if the case has a chat. */
@Component({
  selector: 'rts-new-chat',
  imports: [Dialog, PeoplePicker],
  template: `
    <rts-dialog [heading]="i18n.t().newChat.title" (closed)="closed.emit()">
      @if (known(); as room) {
        <p>{{ i18n.t().newChat.known(caseId().trim(), chat.title(room)) }}</p>
        <p class="muted">{{ i18n.t().newChat.missing(missingNames()) }}</p>
        @if (error(); as error) {
          <p class="error" role="alert">{{ error }}</p>
        }
        <footer>
          <button type="button" class="button" (click)="known.set(undefined)">{{ i18n.t().cancel }}</button>
          <button type="button" class="button" (click)="open(room)">{{ i18n.t().newChat.openKnown }}</button>
          <button type="button" class="button primary" [disabled]="busy()" (click)="addTo(room)">{{ i18n.t().newChat.addKnown }}</button>
        </footer>
      } @else {
      <form (submit)="submit($event)">
        <p class="muted">{{ i18n.t().newChat.hint }}</p>
        <rts-people-picker [(chosen)]="people" />
        @if (people().length > 0) {
          <label class="field"><span>{{ i18n.t().newChat.groupName }}</span>
            <input #name maxlength="120" [value]="groupName()" (input)="groupName.set(name.value)" /></label>
          <label class="field"><span>{{ i18n.t().newChat.caseId }}</span>
            <input #case maxlength="128" [value]="caseId()" (input)="caseId.set(case.value)" /></label>
        }
        @if (error(); as error) {
          <p class="error" role="alert">{{ error }}</p>
        }
        <footer>
          <button type="button" class="button" (click)="closed.emit()">{{ i18n.t().cancel }}</button>
          <button class="button primary" [disabled]="people().length === 0 || busy()">{{ direct() ? i18n.t().newChat.direct : i18n.t().newChat.group }}</button>
        </footer>
      </form>
      }
    </rts-dialog>
  `,
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class NewChat {
  protected readonly i18n = inject(I18n);
  protected readonly chat = inject(Chat);
  private readonly notices = inject(Notices);
  private readonly route = inject(Route);
  readonly closed = output();
  protected readonly people = signal<readonly FoundUser[]>([]);
  protected readonly groupName = signal('');
  protected readonly caseId = signal('');
  protected readonly busy = signal(false);
  /** The existing chat of the case, in which some of the chosen people are missing. */
  protected readonly known = signal<RtsRoom | undefined>(undefined);
  private readonly missing = computed(() => {
    const members = new Set(this.known()?.members().map(({ userId }) => userId));
    return this.people().filter(({ userId }) => !members.has(userId));
  });
  protected readonly missingNames = computed(() => listOf(this.missing().map(({ displayName }) => displayName)));
  protected readonly error = signal<string | undefined>(undefined);
  protected readonly direct = computed(() => this.people().length < 2 && this.groupName().trim() === '' && this.caseId().trim() === '');

  protected async submit(event: Event): Promise<void> {
    event.preventDefault();
    const memberIds = this.people().map((user) => user.userId);
    const [name, caseId] = [this.groupName().trim(), this.caseId().trim()];
    const more = { ...(name ? { name } : {}), ...(caseId ? { caseId } : {}) };
    await this.attempt(async () => {
      const room = await this.chat.client().createRoom(this.direct() ? { kind: 'direct', memberIds } : { kind: 'group', memberIds, ...more });
      const present = new Set(room.members().map(({ userId }) => userId));
      if (caseId !== '' && !room.info().archived && memberIds.some((userId) => !present.has(userId))) {
        this.known.set(room);
      } else {
        this.open(room);
      }
    });
  }

  protected open(room: RtsRoom): void {
    this.route.room(room.roomId);
    this.closed.emit();
  }

  protected addTo(room: RtsRoom): Promise<void> {
    return this.attempt(async () => {
      await room.addMembers(this.missing().map(({ userId }) => userId));
      this.open(room);
    });
  }

  private async attempt(action: () => Promise<void>): Promise<void> {
    this.busy.set(true);
    this.error.set(undefined);
    try {
      await action();
    } catch (failure) {
      this.error.set(this.notices.reason(failure));
    } finally {
      this.busy.set(false);
    }
  }
}
