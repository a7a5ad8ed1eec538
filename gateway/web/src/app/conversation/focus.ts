import { Injectable, signal } from '@angular/core';
import { Seq } from '../rts';

/** A request to show one message, from a search or a quote; its conversation carries it out. */
@Injectable({ providedIn: 'root' })
export class Focus {
  readonly wish = signal<{ roomId: string; seq: Seq } | undefined>(undefined);

  on(roomId: string, seq: Seq): void {
    this.wish.set({ roomId, seq });
  }

  done(): void {
    this.wish.set(undefined);
  }
}
