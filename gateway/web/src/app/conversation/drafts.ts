import { Injectable, signal } from '@angular/core';

/** What was written and not sent, per room, while the page lives. */
@Injectable({ providedIn: 'root' })
export class Drafts {
  private readonly texts = signal<ReadonlyMap<string, string>>(new Map());

  of(roomId: string): string {
    return this.texts().get(roomId) ?? '';
  }

  keep(roomId: string, text: string): void {
    this.texts.update((all) => new Map(all).set(roomId, text));
  }
}
