import { Injectable, signal } from '@angular/core';
import { remember, remembered } from './storage';

/** The chats muted on this device. The server does not keep them yet, so other devices do not know. */
@Injectable({ providedIn: 'root' })
export class Mutes {
  private readonly ids = signal<ReadonlySet<string>>(kept());

  constructor() {
    // Another tab has changed them.
    addEventListener('storage', () => this.ids.set(kept()));
  }

  has(roomId: string): boolean {
    return this.ids().has(roomId);
  }

  set(roomId: string, on: boolean): void {
    const others = [...kept()].filter((id) => id !== roomId);
    this.ids.set(new Set(on ? [...others, roomId] : others));
    remember('muted', [...this.ids()].join(' '));
  }
}

function kept(): Set<string> {
  return new Set((remembered('muted') ?? '').split(' ').filter(Boolean));
}
