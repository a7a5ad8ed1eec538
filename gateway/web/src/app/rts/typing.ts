import { Signal, signal } from '@angular/core';
import { RtsConnection } from './connection';

/** Someone who types says so again within this time, or has stopped. */
const EXPIRES_MS = 6_000;
/** How often one says that one is still typing. */
const REPEAT_MS = 3_000;

/** Who types in a room, and telling others that one does. Never stored, never retried. */
export class Typing {
  private readonly usersSignal = signal<readonly string[]>([]);
  private readonly timers = new Map<string, ReturnType<typeof setTimeout>>();
  private toldAt = 0;

  readonly users: Signal<readonly string[]> = this.usersSignal.asReadonly();

  constructor(
    private readonly roomId: string,
    private readonly connection: RtsConnection,
  ) {}

  /** Another one has started, goes on, or has stopped. */
  heard(userId: string, typing: boolean): void {
    clearTimeout(this.timers.get(userId));
    this.timers.delete(userId);
    if (typing) {
      this.timers.set(userId, setTimeout(() => this.heard(userId, false), EXPIRES_MS));
    }
    this.usersSignal.update((users) => {
      const others = users.filter((id) => id !== userId);
      return typing ? [...others, userId] : others.length === users.length ? users : others;
    });
  }

  /** To be called at each keystroke; tells the others now and then. */
  typed(): void {
    if (Date.now() - this.toldAt >= REPEAT_MS) {
      this.toldAt = Date.now();
      this.tell(true);
    }
  }

  /** The text was sent or taken back. */
  stopped(): void {
    if (this.toldAt > 0 && Date.now() - this.toldAt < EXPIRES_MS) {
      this.tell(false);
    }
    this.toldAt = 0;
  }

  private tell(typing: boolean): void {
    if (this.connection.state() === 'online' && this.connection.supports('SetTyping')) {
      this.connection.invoke('SetTyping', { roomId: this.roomId, typing }).catch(() => undefined);
    }
  }
}
