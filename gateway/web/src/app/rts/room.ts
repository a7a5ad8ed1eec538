import { Signal, computed, signal } from '@angular/core';
import { Chain, Verdict } from './chain';
import { RtsConnection } from './connection';
import { ListedRoom, Member, Message, Receipt, Room, RoomEvent, Seq } from './contract';
import { everyMessage } from './export';
import { History } from './history';
import { Mark } from './marks';
import { Draft, Outbox, Outgoing } from './outbox';
import { SendState, stateOf } from './send-state';
import { Timeline } from './timeline';
import { Typing } from './typing';
import { Known, Unread } from './unread';
import { Upload, startUpload } from './uploads';

/** The parts of the client that a room needs. */
export interface RoomContext {
  userId: string;
  connection: RtsConnection;
  outbox: Outbox;
  /** Asks the server for the unread count again. */
  recount(): void;
}

/**
 * One room: its facts, its messages in order, marks, unread count, and the calls a member can make.
 *
 * All state is in signals; every call rejects with an `RtsError`.
 */
export class RtsRoom {
  private readonly infoSignal = signal<Room>(undefined as never);
  private readonly lastMessageSignal = signal<Message | undefined>(undefined);
  private readonly receiptsSignal = signal<ReadonlyMap<string, Required<Receipt>>>(new Map());
  private readonly storedSignal = signal<ReadonlySet<Seq>>(new Set());
  private readonly unread: Unread;
  private readonly readMark: Mark;
  private readonly deliveredMark: Mark;
  private membersStale = false;
  private isStale = false;
  /** The event that facts and members date from. */
  private infoSeq: Seq = 0;

  readonly roomId: string;
  readonly chain: Chain;
  readonly timeline = new Timeline();
  readonly history: History;
  readonly typing: Typing;

  readonly info: Signal<Room> = this.infoSignal.asReadonly();
  readonly lastMessage: Signal<Message | undefined> = this.lastMessageSignal.asReadonly();
  readonly receipts: Signal<ReadonlyMap<string, Required<Receipt>>> = this.receiptsSignal.asReadonly();
  readonly members: Signal<readonly Member[]> = computed(() => this.infoSignal().members ?? []);
  readonly unreadCount: Signal<number>;
  readonly mentionCount: Signal<number>;
  readonly readSeq: Signal<Seq>;
  /** This user's messages that are not in the timeline yet. */
  readonly outgoing: Signal<readonly Outgoing[]>;
  /** The sort key of lists: the newest message, or the creation of the room. */
  readonly activity = computed(() => Math.max(this.lastMessageSignal()?.seq ?? 0, Date.parse(this.infoSignal().createdAt) * 1_000));
  readonly mine = computed(() => this.members().find((member) => member.userId === this.context.userId));

  constructor(
    listed: ListedRoom,
    private readonly context: RoomContext,
  ) {
    const { connection, userId, outbox } = context;
    this.roomId = listed.room.roomId;
    this.chain = new Chain(listed.headSeq, (event) => this.apply(event));
    this.history = new History(this.roomId, connection, this.timeline);
    this.typing = new Typing(this.roomId, connection);
    this.unread = new Unread(userId);
    this.readMark = new Mark('MarkRead', this.roomId, connection);
    this.deliveredMark = new Mark('MarkDelivered', this.roomId, connection);
    this.unreadCount = this.unread.count;
    this.mentionCount = this.unread.mentions;
    this.readSeq = this.unread.readSeq;
    this.outgoing = computed(() => {
      const own = outbox.all().filter((entry) => entry.roomId === this.roomId);
      return own.length === 0 ? own : own.filter((entry) => entry.seq === undefined || !this.has(entry));
    });
    this.update(listed);
  }

  // Reading

  /** Reads the newest page if none was read, and the members if the list left them out. */
  async open(): Promise<void> {
    await Promise.all([this.timeline.loaded() ? undefined : this.history.newest(), this.refreshMembers()]);
  }

  /** Returns the state of this user's message. */
  sendState(message: Message): SendState {
    const others = this.members().filter((member) => member.userId !== this.context.userId);
    const pending = this.context.outbox.all().find((e) => e.clientId === message.clientId && e.roomId === this.roomId);
    return stateOf(message.seq, pending, others, this.receiptsSignal(), this.storedSignal());
  }

  /** Marks everything up to `seq` as read. */
  markRead(seq: Seq): void {
    this.unread.read(seq, this.known(seq));
    this.readMark.set(seq);
  }

  // Writing

  send(draft: Draft): Outgoing {
    this.typing.stopped();
    return this.context.outbox.add(this.roomId, draft);
  }

  async edit(seq: Seq, body: string): Promise<void> {
    const { message } = await this.context.connection.invoke('EditMessage', { roomId: this.roomId, seq, body });
    this.changed(message, 'edited');
  }

  async delete(seq: Seq): Promise<void> {
    const { message } = await this.context.connection.invoke('DeleteMessage', { roomId: this.roomId, seq });
    this.changed(message, 'deleted');
  }

  async react(seq: Seq, emoji: string, on: boolean): Promise<void> {
    await this.context.connection.invoke('React', { roomId: this.roomId, seq, emoji, on });
  }

  upload(file: File): Upload {
    return startUpload(this.context.connection, this.roomId, file);
  }

  /** Yields every message, or those of a range of seqs, in order; continues after lost connections. */
  messages(from?: Seq, to?: Seq): AsyncGenerator<Message> {
    return everyMessage(this.context.connection, this.roomId, from, to);
  }

  async attachmentUrl(attachmentId: string): Promise<string> {
    return (await this.context.connection.invoke('GetAttachmentUrl', { roomId: this.roomId, attachmentId })).url;
  }

  /** Adds users. A direct room stays as it is, and a new group room is returned. */
  async addMembers(userIds: string[]): Promise<Room> {
    const { room } = await this.context.connection.invoke('AddMembers', { roomId: this.roomId, userIds });
    this.answered(room);
    return room;
  }

  async removeMember(userId: string): Promise<void> {
    this.answered((await this.context.connection.invoke('RemoveMember', { roomId: this.roomId, userId })).room);
  }

  async rename(name: string): Promise<void> {
    this.answered((await this.context.connection.invoke('RenameRoom', { roomId: this.roomId, name })).room);
  }

  async leave(): Promise<void> {
    await this.context.connection.invoke('LeaveRoom', { roomId: this.roomId });
  }

  async archive(on: boolean): Promise<void> {
    this.answered((await this.context.connection.invoke(on ? 'ArchiveRoom' : 'UnarchiveRoom', { roomId: this.roomId })).room);
  }

  // Called by the client

  /** Takes in a live event. */
  offer(event: RoomEvent): Verdict {
    return this.chain.offer(event);
  }

  /** Updates the room from a list. */
  update(listed: ListedRoom): void {
    this.setInfo(listed.room);
    this.setLast(listed.lastMessage);
    if (listed.headSeq >= this.chain.lastSeq) {
      this.unread.reset(listed, this.known(this.unread.readSeq()));
    }
    this.readMark.known(listed.readSeq);
    this.deliveredMark.known(listed.deliveredSeq);
    if (listed.lastMessage !== undefined && listed.lastMessage.seq > listed.deliveredSeq) {
      this.deliveredMark.set(listed.lastMessage.seq);
    }
  }

  /** Updates the room from an event or an answer; does nothing if it is older than the known state. */
  setInfo(room: Room, asOf: Seq = room.headSeq): void {
    if (asOf < this.infoSeq) {
      return;
    }
    this.infoSeq = asOf;
    const members = room.members ?? (this.infoSignal() as Room | undefined)?.members;
    this.membersStale ||= room.members === undefined;
    this.infoSignal.set(members === undefined ? room : { ...room, members });
    this.receive((room.members ?? []).map(({ userId, readSeq, deliveredSeq }) => ({ userId, readSeq, deliveredSeq })));
  }

  receive(receipts: readonly Receipt[]): void {
    if (receipts.length === 0) {
      return;
    }
    this.receiptsSignal.update((all) => {
      const next = new Map(all);
      for (const { userId, readSeq = 0, deliveredSeq = 0 } of receipts) {
        const known = next.get(userId);
        next.set(userId, {
          userId,
          readSeq: Math.max(known?.readSeq ?? 0, readSeq),
          deliveredSeq: Math.max(known?.deliveredSeq ?? 0, deliveredSeq),
        });
      }
      return next;
    });
    const own = this.receiptsSignal().get(this.context.userId);
    if (own !== undefined && own.readSeq > this.unread.readSeq()) {
      this.readMark.known(own.readSeq);
      const known = this.known(own.readSeq);
      this.unread.read(own.readSeq, known);
      if (!known.complete) {
        this.context.recount();
      }
    }
  }

  stored(seqs: readonly Seq[]): void {
    this.storedSignal.update((all) => new Set([...all, ...seqs]));
  }

  /** True if more was missed than a resume delivers. */
  get stale(): boolean {
    return this.isStale;
  }

  /** Marks the state as old, until `reload` has succeeded. */
  expire(): void {
    this.isStale = true;
    this.membersStale = true;
  }

  /** Reads again what is shown. */
  async reload(): Promise<void> {
    this.history.refresh().catch(() => undefined);
    if (this.timeline.loaded()) {
      await Promise.all([this.history.newest(), this.refreshMembers()]);
    }
    this.isStale = false;
  }

  /** Reports marks that a lost connection held up. */
  retell(): void {
    this.readMark.schedule();
    this.deliveredMark.schedule();
  }

  has({ clientId, seq }: { clientId: string; seq?: Seq }): boolean {
    return (seq !== undefined && seq <= this.chain.lastSeq) || this.timeline.findClient(this.context.userId, clientId) !== undefined;
  }

  private apply(event: RoomEvent): void {
    switch (event.type) {
      case 'MessageCreated':
        this.created(event.message);
        break;
      case 'MessageDeleted':
        this.changed(event.message, 'deleted');
        break;
      case 'MessageEdited':
        this.changed(event.message, 'edited');
        break;
      case 'ReactionChanged':
        this.timeline.react(event);
        break;
      case 'RoomUpdated':
        this.setInfo(event.room, event.seq);
        if (this.timeline.loaded()) {
          this.refreshMembers().catch(() => undefined);
        }
        break;
    }
  }

  private created(message: Message): void {
    this.typing.heard(message.senderId, false);
    this.timeline.put(message);
    this.setLast(message);
    this.unread.created(message);
    if (message.senderId === this.context.userId) {
      this.context.outbox.appeared(message.clientId, message.seq);
    } else {
      this.deliveredMark.set(message.seq);
    }
  }

  private changed(message: Message, how: 'edited' | 'deleted'): void {
    const last = this.lastMessageSignal();
    const before = this.history.cited(message.seq) ?? (last?.seq === message.seq ? last : undefined);
    const unclear = this.unread[how](message, before);
    this.timeline.put(message);
    this.history.changed(message);
    this.setLast(message);
    if (unclear) {
      this.context.recount();
    }
  }

  private setLast(message: Message | undefined): void {
    const last = this.lastMessageSignal();
    const newer = message !== undefined && (last === undefined || message.seq > last.seq);
    if (newer || (message?.seq === last?.seq && (message?.version ?? 0) > (last?.version ?? 0))) {
      this.lastMessageSignal.set(message);
    }
  }

  /** Returns the loaded messages; `complete` if they include all messages after `seq`. */
  private known(seq: Seq): Known {
    const { timeline } = this;
    const atEnd = timeline.loaded() && timeline.atNewest() && (timeline.oldestSeq ?? 0) <= seq;
    return { messages: timeline.messages(), complete: atEnd || seq >= (this.lastMessageSignal()?.seq ?? 0) };
  }

  private answered(room: Room): void {
    if (room.roomId === this.roomId) {
      this.setInfo(room);
    }
  }

  /** Reads the members, if they are missing or old. */
  private async refreshMembers(): Promise<void> {
    if (this.membersStale) {
      this.membersStale = false;
      try {
        this.setInfo((await this.context.connection.invoke('GetRoom', { roomId: this.roomId })).room);
      } catch (error) {
        this.membersStale = true;
        throw error;
      }
    }
  }
}
