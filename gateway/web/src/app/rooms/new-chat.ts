import { ChangeDetectionStrategy, Component, computed, inject, output, signal } from '@angular/core';
import { Chat } from '../core/chat';
import { Notices } from '../core/notices';
import { Route } from '../core/route';
import { I18n } from '../i18n/i18n';
import { FoundUser } from '../rts';
import { Dialog } from '../ui/dialog';
import { PeoplePicker } from './people-picker';

/** Starts a direct chat with one person, or a group with several or with a name. */
@Component({
  selector: 'rts-new-chat',
  imports: [Dialog, PeoplePicker],
  template: `
    <rts-dialog [heading]="i18n.t().newChat.title" (closed)="closed.emit()">
      <form (submit)="submit($event)">
        <p class="muted">{{ i18n.t().newChat.hint }}</p>
        <rts-people-picker [(chosen)]="people" />
        @if (people().length > 0) {
          <label class="field"><span>{{ i18n.t().newChat.groupName }}</span>
            <input #name maxlength="120" [value]="groupName()" (input)="groupName.set(name.value)" /></label>
          <label class="field"><span>{{ i18n.t().newChat.caseId }}</span>
            <input #case maxlength="128" [value]="caseId()" (input)="caseId.set(case.value)" /></label>
        }
        <footer>
          <button type="button" class="button" (click)="closed.emit()">{{ i18n.t().cancel }}</button>
          <button class="button primary" [disabled]="people().length === 0 || busy()">{{ direct() ? i18n.t().newChat.direct : i18n.t().newChat.group }}</button>
        </footer>
      </form>
    </rts-dialog>
  `,
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class NewChat {
  protected readonly i18n = inject(I18n);
  private readonly chat = inject(Chat);
  private readonly notices = inject(Notices);
  private readonly route = inject(Route);
  readonly closed = output();
  protected readonly people = signal<readonly FoundUser[]>([]);
  protected readonly groupName = signal('');
  protected readonly caseId = signal('');
  protected readonly busy = signal(false);
  protected readonly direct = computed(() => this.people().length < 2 && this.groupName().trim() === '' && this.caseId().trim() === '');

  protected async submit(event: Event): Promise<void> {
    event.preventDefault();
    const memberIds = this.people().map((user) => user.userId);
    const [name, caseId] = [this.groupName().trim(), this.caseId().trim()];
    const more = { ...(name ? { name } : {}), ...(caseId ? { caseId } : {}) };
    this.busy.set(true);
    const made = await this.notices.attempt(async () => {
      const room = await this.chat.client().createRoom(this.direct() ? { kind: 'direct', memberIds } : { kind: 'group', memberIds, ...more });
      this.route.room(room.roomId);
    });
    this.busy.set(false);
    if (made) {
      this.closed.emit();
    }
  }
}
