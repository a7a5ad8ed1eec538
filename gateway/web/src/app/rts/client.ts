import { Signal, computed, signal } from '@angular/core';
import { ConnectionOptions, RtsConnection } from './connection';
import { Answer, Events, ListedRoom, Method, Request, Room, RoomEvent, SEQUENCED, StreamMethod } from './contract';
import { RtsError } from './errors';
import { HubLink } from './link';
import { Outbox, OutboxStorage } from './outbox';
import { People } from './people';
import { RtsRoom } from './room';
import { Sync } from './sync';

/** Limit of events of unknown rooms; beyond it the oldest are dropped, and a resume delivers them. */
const ORPHANS_MAX = 500;

export interface ClientOptions extends ConnectionOptions {
  /** The user that the tokens of the link belong to; identifies own messages. */
  userId: string;
  outboxStorage?: OutboxStorage;
}

/**
 * A chat client that keeps its rooms in step with the server across lost connections.
 *
 * Make one per signed-in user, `start()` it, read its signals, `stop()` it.
 */
export class RtsClient {
  private readonly roomsSignal = signal<ReadonlyMap<string, RtsRoom>>(new Map());
  private readonly readySignal = signal(false);
  private readonly troubleSignal = signal<RtsError | undefined>(undefined);
  private readonly orphans: RoomEvent[] = [];
  private readonly sync: Sync;

  readonly userId: string;
  readonly connection: RtsConnection;
  readonly outbox: Outbox;
  readonly people: People;

  /** Every known room, including archived ones that were opened. */
  readonly rooms: Signal<ReadonlyMap<string, RtsRoom>> = this.roomsSignal.asReadonly();
  /** The rooms of the list: not archived, latest activity first. */
  readonly roomList: Signal<readonly RtsRoom[]> = computed(() =>
    [...this.roomsSignal().values()].filter((room) => !room.info().archived).sort((a, b) => b.activity() - a.activity()),
  );
  /** True once the list of rooms was read. */
  readonly ready: Signal<boolean> = this.readySignal.asReadonly();

  /** The reason why the rooms are not in step although there is a connection; the client keeps trying. */
  readonly trouble: Signal<RtsError | undefined> = this.troubleSignal.asReadonly();

  constructor(link: HubLink, options: ClientOptions) {
    this.userId = options.userId;
    this.connection = new RtsConnection(link, options);
    this.people = new People(this.connection);
    this.outbox = new Outbox(
      this.connection,
      (sent, seq) => this.roomsSignal().get(sent.roomId)?.has({ clientId: sent.clientId, seq }) ?? true,
      options.outboxStorage,
    );
    this.sync = new Sync(this.connection, this.roomsSignal, {
      listed: (rooms) => this.listed(rooms),
      left: (roomId) => this.forget(roomId),
      caughtUp: () => this.caughtUp(),
      failed: (error) => this.troubleSignal.set(error.code === 'offline' ? undefined : error),
    });
    this.connection.onUp((generation) => void this.sync.run(generation));
    this.listen();
  }

  start(): void {
    this.connection.start();
    globalThis.addEventListener?.('online', this.wake);
    globalThis.addEventListener?.('offline', this.wake);
  }

  async stop(): Promise<void> {
    globalThis.removeEventListener?.('online', this.wake);
    globalThis.removeEventListener?.('offline', this.wake);
    this.outbox.pause();
    await this.connection.stop();
  }

  invoke<M extends Method>(method: M, request: Request<M>): Promise<Answer<M>> {
    return this.connection.invoke(method, request);
  }

  /** True unless the server is known to lack the method; reads a signal. */
  supports(method: Method | StreamMethod): boolean {
    return this.connection.supports(method);
  }

  room(roomId: string): RtsRoom | undefined {
    return this.roomsSignal().get(roomId);
  }

  /** Returns a room, read from the server if it is not known (an archived one, or a new one). */
  async openRoom(roomId: string): Promise<RtsRoom> {
    const known = this.room(roomId);
    if (known !== undefined) {
      return known;
    }
    const { room } = await this.connection.invoke('GetRoom', { roomId });
    return this.room(roomId) ?? this.adopt(room);
  }

  async createRoom(request: Request<'CreateRoom'>): Promise<RtsRoom> {
    const { room } = await this.connection.invoke('CreateRoom', request);
    return this.adopt(room);
  }

  /** Handles a change of the network: a wait may be over, and a socket may be dead. */
  private readonly wake = (event: Event): void => {
    if (event.type === 'online') {
      this.connection.retryNow();
    }
    void this.connection.doubt();
  };

  private listen(): void {
    for (const type of SEQUENCED) {
      this.connection.on(type, (payload) => this.offer({ type, ...payload } as RoomEvent));
    }
    this.connection.on('RoomAdded', ({ room }) => {
      this.adopt(room);
      this.sync.refreshList();
    });
    this.connection.on('RoomRemoved', ({ roomId }) => this.forget(roomId));
    this.onRoom('ReceiptsUpdated', (room, { receipts }) => room.receive(receipts));
    this.onRoom('MessagesStored', (room, { seqs }) => room.stored(seqs));
    this.onRoom('Typing', (room, { userId, typing }) => {
      if (userId !== this.userId) {
        room.typing.heard(userId, typing);
      }
    });
    this.connection.onDown(() => {
      this.troubleSignal.set(undefined);
      this.outbox.pause();
      this.people.forgetPresence();
    });
  }

  private onRoom<E extends 'ReceiptsUpdated' | 'MessagesStored' | 'Typing'>(
    event: E,
    handle: (room: RtsRoom, payload: Events[E]) => void,
  ): void {
    this.connection.on(event, (payload) => {
      const room = this.room(payload.roomId);
      if (room !== undefined) {
        handle(room, payload);
      }
    });
  }

  private offer(event: RoomEvent): void {
    const room = this.room(event.roomId);
    if (room === undefined) {
      this.orphans.push(event);
      this.orphans.splice(0, this.orphans.length - ORPHANS_MAX);
      this.sync.refreshList();
      return;
    }
    const verdict = room.offer(event);
    if (event.type === 'RoomUpdated') {
      this.people.learnRoom(event.room);
    }
    if (verdict === 'gap') {
      this.sync.mendGap(room);
    } else if (verdict === 'foreign') {
      this.sync.reread(room);
    }
  }

  /** Takes in one page of the list: new rooms, and new states of known ones. */
  private listed(page: readonly ListedRoom[]): void {
    const fresh: RtsRoom[] = [];
    for (const listed of page) {
      this.people.learnRoom(listed.room);
      const known = this.room(listed.room.roomId);
      if (known === undefined) {
        fresh.push(this.make(listed));
      } else {
        known.update(listed);
      }
    }
    this.addRooms(fresh);
  }

  private adopt(room: Room): RtsRoom {
    this.people.learnRoom(room);
    const known = this.room(room.roomId);
    if (known !== undefined) {
      known.setInfo(room);
      return known;
    }
    const mine = room.members?.find((member) => member.userId === this.userId);
    const { readSeq = room.headSeq, deliveredSeq = 0 } = mine ?? {};
    const made = this.make({ room, headSeq: room.headSeq, unread: 0, readSeq, deliveredSeq });
    this.addRooms([made]);
    return made;
  }

  private make(listed: ListedRoom): RtsRoom {
    const { userId, connection, outbox } = this;
    return new RtsRoom(listed, { userId, connection, outbox, recount: () => this.sync.recount(listed.room.roomId) });
  }

  private addRooms(rooms: readonly RtsRoom[]): void {
    if (rooms.length === 0) {
      return;
    }
    const ids = new Set(rooms.map((room) => room.roomId));
    this.roomsSignal.update((all) => new Map([...all, ...rooms.map((room) => [room.roomId, room] as const)]));
    const waiting = this.orphans.filter((event) => ids.has(event.roomId));
    this.orphans.splice(0, this.orphans.length, ...this.orphans.filter((event) => !ids.has(event.roomId)));
    waiting.forEach((event) => this.offer(event));
  }

  private forget(roomId: string): void {
    this.roomsSignal.update((all) => {
      const next = new Map(all);
      next.delete(roomId);
      return next;
    });
  }

  private caughtUp(): void {
    this.readySignal.set(true);
    this.troubleSignal.set(undefined);
    this.connection.confirm();
    this.outbox.resume();
    void this.people.ask();
    for (const room of this.roomsSignal().values()) {
      room.retell();
    }
  }
}
