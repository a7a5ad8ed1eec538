import { Injectable, signal } from '@angular/core';
import { Seq } from '../rts';

/** A wish to see one message, from a search or a quote; its conversation fulfils it. */
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
