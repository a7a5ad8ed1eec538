import { Injectable, computed, inject, linkedSignal } from '@angular/core';
import { Chat } from './chat';
import { remember, remembered } from './storage';

/** The chats that a user muted on this device. The server does not keep them yet, so other devices do not know. */
@Injectable({ providedIn: 'root' })
export class Mutes {
  private readonly chat = inject(Chat);
  private readonly key = computed(() => {
    const identity = this.chat.who();
    return identity && `muted.${identity.orgId}.${identity.userId}`;
  });
  private readonly ids = linkedSignal<ReadonlySet<string>>(() => kept(this.key()));

  constructor() {
    addEventListener('storage', ({ key }) => {
      // Another tab has changed them, or everything.
      if (key === null || key === `rts.${this.key()}`) {
        this.ids.set(kept(this.key()));
      }
    });
  }

  has(roomId: string): boolean {
    return this.ids().has(roomId);
  }

  set(roomId: string, on: boolean): void {
    const others = [...this.ids()].filter((id) => id !== roomId);
    this.ids.set(new Set(on ? [...others, roomId] : others));
    const key = this.key();
    if (key !== undefined) {
      remember(key, [...this.ids()].join(' '));
    }
  }
}

function kept(key: string | undefined): Set<string> {
  return new Set(((key && remembered(key)) ?? '').split(' ').filter(Boolean));
}
