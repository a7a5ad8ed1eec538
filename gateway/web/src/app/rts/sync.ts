import { Signal } from '@angular/core';
import { Backoff, delay } from './backoff';
import { RtsConnection } from './connection';
import { ListedRoom, ResumedRoom } from './contract';
import { RtsError, toRtsError } from './errors';
import { RtsRoom } from './room';

/** Rooms per resume; with their ids and seqs they stay well below the 256 KiB of a record. */
const RESUME_ROOMS = 200;
const LIST_PAGE = 200;
/** Time for a late event to arrive before a gap is closed by a resume. */
const GAP_WAIT_MS = 300;
const REFRESH_WAIT_MS = 150;

/** Takes the results of a sync. */
interface Outcome {
  listed(rooms: readonly ListedRoom[]): void;
  left(roomId: string): void;
  caughtUp(): void;
  /** Takes the error of a failed try; another one follows. */
  failed(error: RtsError): void;
}

/**
 * Brings the rooms in step with the server: the whole list on the first connection, the missed events on each later
 * one, and missing events whenever a gap appears.
 */
export class Sync {
  private readonly mending = new Set<string>();
  /** Rooms that the next read of the list has to reach. */
  private readonly wanted = new Set<string>();
  private listTimer: ReturnType<typeof setTimeout> | undefined;
  private readonly listBackoff = new Backoff(500, 20_000);
  private listedOnce = false;
  /** True if counts and last messages have to be read again, because events were skipped. */
  private listStale = false;

  constructor(
    private readonly connection: RtsConnection,
    private readonly rooms: Signal<ReadonlyMap<string, RtsRoom>>,
    private readonly outcome: Outcome,
  ) {}

  /** Runs on each new connection: tries until the rooms are in step or the connection is gone. */
  async run(generation: number): Promise<void> {
    const backoff = new Backoff(500, 10_000);
    while (this.connection.isCurrent(generation)) {
      try {
        await (this.listedOnce ? this.resumeAll() : this.list());
        this.listedOnce = true;
        await this.freshen();
        if (this.connection.isCurrent(generation)) {
          this.outcome.caughtUp();
        }
        return;
      } catch (failure) {
        const error = toRtsError(failure);
        this.outcome.failed(error);
        await delay(backoff.after(error.retryAfterMs));
      }
    }
  }

  /** Closes the gap of a room by a resume, unless the missing events arrive first. */
  mendGap(room: RtsRoom): void {
    if (this.mending.has(room.roomId)) {
      return;
    }
    this.mending.add(room.roomId);
    void this.mend(room).finally(() => this.mending.delete(room.roomId));
  }

  /** Reads the facts and the shown messages of a room again, when the known state cannot be trusted. */
  reread(room: RtsRoom): void {
    this.refreshList();
    room.expire();
    void this.rereading(room);
  }

  /** Reads the list again soon, down to this room. */
  recount(roomId: string): void {
    this.wanted.add(roomId);
    this.refreshList();
  }

  /** Reads the first page of the list again soon; several calls become one. */
  refreshList(): void {
    this.listTimer ??= setTimeout(() => {
      this.listTimer = undefined;
      if (this.listedOnce && this.connection.state() === 'online') {
        void this.listAgain();
      }
    }, REFRESH_WAIT_MS);
  }

  private async mend(room: RtsRoom): Promise<void> {
    const backoff = new Backoff(500, 10_000);
    await delay(GAP_WAIT_MS);
    while (room.chain.gapped && this.connection.state() === 'online' && this.rooms().has(room.roomId)) {
      try {
        await this.resume([room]);
      } catch (error) {
        await delay(backoff.after(toRtsError(error).retryAfterMs));
        continue;
      }
      if (room.chain.gapped) {
        await delay(backoff.next());
      }
    }
  }

  private async rereading(room: RtsRoom): Promise<void> {
    const backoff = new Backoff(500, 10_000);
    while (room.stale && this.connection.state() === 'online' && this.rooms().has(room.roomId)) {
      try {
        await room.reload();
      } catch (failure) {
        const error = toRtsError(failure);
        if (!error.retryable) {
          return;
        }
        await delay(backoff.after(error.retryAfterMs));
      }
    }
  }

  /** Reads again what a resume did not deliver; what fails stays stale for the next try. */
  private async freshen(): Promise<void> {
    if (this.listStale) {
      await this.list();
    }
    await Promise.all([...this.rooms().values()].filter((room) => room.stale).map((room) => room.reload()));
  }

  private async list(): Promise<void> {
    let cursor: string | undefined;
    do {
      const page = await this.connection.invoke('ListRooms', { limit: LIST_PAGE, ...(cursor ? { cursor } : {}) });
      this.outcome.listed(page.rooms);
      cursor = page.cursor;
    } while (cursor !== undefined);
    this.listStale = false;
  }

  private async listAgain(): Promise<void> {
    const wanted = new Set(this.wanted);
    this.wanted.clear();
    let cursor: string | undefined;
    try {
      do {
        const page = await this.connection.invoke('ListRooms', { limit: 50, ...(cursor ? { cursor } : {}) });
        this.outcome.listed(page.rooms);
        page.rooms.forEach(({ room }) => wanted.delete(room.roomId));
        cursor = page.cursor;
      } while (cursor !== undefined && wanted.size > 0);
      this.listBackoff.reset();
    } catch (failure) {
      wanted.forEach((roomId) => this.wanted.add(roomId));
      const error = toRtsError(failure);
      if (error.retryable) {
        setTimeout(() => this.refreshList(), this.listBackoff.after(error.retryAfterMs));
      }
    }
  }

  private async resumeAll(): Promise<void> {
    const rooms = [...this.rooms().values()];
    const parts = Array.from({ length: Math.max(1, Math.ceil(rooms.length / RESUME_ROOMS)) }, (_, index) =>
      rooms.slice(index * RESUME_ROOMS, (index + 1) * RESUME_ROOMS),
    );
    let unlisted = false;
    for (const part of parts) {
      // Each part reports the rooms of the other parts as joined; only unknown ones are.
      const joined = await this.resume(part);
      unlisted ||= joined.some((roomId) => !this.rooms().has(roomId));
    }
    if (unlisted) {
      await this.list();
    }
  }

  private async resume(rooms: readonly RtsRoom[]): Promise<string[]> {
    const asked = rooms.map((room) => ({ roomId: room.roomId, seq: room.chain.lastSeq }));
    const answer = await this.connection.invoke('Resume', { rooms: asked });
    answer.left.forEach((roomId) => this.outcome.left(roomId));
    answer.rooms.forEach((resumed) => this.caughtUp(resumed));
    await this.freshen();
    return answer.joined;
  }

  /** Applies the events of one room; if there were too many, marks it to be read again. */
  private caughtUp({ roomId, events, headSeq, truncated }: ResumedRoom): void {
    const room = this.rooms().get(roomId);
    if (truncated) {
      room?.chain.restart(headSeq);
      room?.expire();
      this.listStale = true;
    } else {
      room?.chain.resumed(events, headSeq);
    }
  }
}
