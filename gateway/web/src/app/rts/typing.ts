import { Signal, signal } from '@angular/core';
import { RtsConnection } from './connection';

/** A typing user reports again within this time, or has stopped. */
const EXPIRES_MS = 6_000;
/** Time between two reports of typing. */
const REPEAT_MS = 3_000;

/** Shows who is typing in a room, and reports this user's typing. Never stored, never retried. */
export class Typing {
  private readonly usersSignal = signal<readonly string[]>([]);
  private readonly timers = new Map<string, ReturnType<typeof setTimeout>>();
  private toldAt = 0;

  readonly users: Signal<readonly string[]> = this.usersSignal.asReadonly();

  constructor(
    private readonly roomId: string,
    private readonly connection: RtsConnection,
  ) {}

  /** Handles a report of another user. */
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

  /** Called at each keystroke; reports to the others at intervals. */
  typed(): void {
    if (Date.now() - this.toldAt >= REPEAT_MS) {
      this.toldAt = Date.now();
      this.tell(true);
    }
  }

  /** Called when the text was sent or cleared. */
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
