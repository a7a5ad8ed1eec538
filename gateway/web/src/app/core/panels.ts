import { Injectable, signal } from '@angular/core';

/** The panels above the chats that open from more than one place. */
@Injectable({ providedIn: 'root' })
export class Panels {
  readonly newChat = signal(false);
  readonly settings = signal(false);
  readonly jump = signal(false);
}
