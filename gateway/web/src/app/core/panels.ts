import { Injectable, signal } from '@angular/core';

/** What stands over the chats, opened from more than one place. */
@Injectable({ providedIn: 'root' })
export class Panels {
  readonly newChat = signal(false);
  readonly settings = signal(false);
  readonly jump = signal(false);
}
