import { signal, Signal } from '@angular/core';
import { FoundUser, Presence, PresenceStatus, Room } from './contract';
import { RtsConnection } from './connection';

/** Limit of users in one watch. */
const WATCHED_MAX = 200;

export interface Person {
  userId: string;
  displayName: string;
  status?: PresenceStatus;
  lastSeenAt?: string;
}

/** Names and presence of all known users, from rooms, searches and presence events. */
export class People {
  private readonly known = signal<ReadonlyMap<string, Person>>(new Map());
  private watched: readonly string[] = [];
  private timer: ReturnType<typeof setTimeout> | undefined;

  readonly all: Signal<ReadonlyMap<string, Person>> = this.known.asReadonly();

  constructor(private readonly connection: RtsConnection) {
    connection.on('PresenceChanged', (presence) => this.seen([presence]));
    connection.on('PersonChanged', (person) => this.learn([person]));
  }

  person(userId: string): Person {
    return this.known().get(userId) ?? { userId, displayName: userId };
  }

  name(userId: string): string {
    return this.person(userId).displayName;
  }

  status(userId: string): PresenceStatus | undefined {
    return this.known().get(userId)?.status;
  }

  learnRoom(room: Room): void {
    this.learn(room.members ?? []);
  }

  learn(users: readonly (Pick<FoundUser, 'userId' | 'displayName'> & Partial<FoundUser>)[]): void {
    const changes = users.flatMap(({ userId, displayName, status }) => {
      const known = this.known().get(userId);
      // A room shows the id as the name of a member who has never connected; any other name is better.
      const isName = displayName !== '' && (displayName !== userId || known === undefined);
      const named = isName && known?.displayName !== displayName;
      const seen = status !== undefined && known?.status !== status;
      return named || seen ? [{ userId, ...(named ? { displayName } : {}), ...(seen ? { status } : {}) }] : [];
    });
    if (changes.length > 0) {
      this.update(changes);
    }
  }

  /** Sets the users to watch, replacing the last ones. Calls in quick succession become one. */
  watch(userIds: readonly string[]): void {
    const wanted = [...new Set(userIds)].sort().slice(0, WATCHED_MAX);
    if (wanted.length === this.watched.length && wanted.every((id, index) => id === this.watched[index])) {
      return;
    }
    this.watched = wanted;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => void this.ask(), 150);
  }

  /** Watches again on a new connection, which does not know what the last one watched. */
  async ask(): Promise<void> {
    if (this.watched.length === 0 || !this.connection.supports('WatchPresence')) {
      return;
    }
    try {
      const { users } = await this.connection.invoke('WatchPresence', { userIds: [...this.watched] });
      this.seen(users);
    } catch {
      // Presence is optional: without it no dot is shown, and the next connection asks again.
    }
  }

  /** Forgets presence, which may have changed since the connection was lost. */
  forgetPresence(): void {
    this.known.update((all) => {
      const kept = new Map<string, Person>();
      for (const [userId, { displayName }] of all) {
        kept.set(userId, { userId, displayName });
      }
      return kept;
    });
  }

  private seen(users: readonly Presence[]): void {
    this.update(users.map(({ userId, status, lastSeenAt }) => ({ userId, status, ...(lastSeenAt ? { lastSeenAt } : {}) })));
  }

  private update(changes: readonly (Partial<Person> & { userId: string })[]): void {
    this.known.update((all) => {
      const next = new Map(all);
      for (const change of changes) {
        next.set(change.userId, { displayName: change.userId, ...next.get(change.userId), ...change });
      }
      return next;
    });
  }
}
