import { ListedRoom, Member, Message, PresenceStatus, ReactionEvent, Room, RoomEvent, RoomKind, Seq } from '../contract';
import { mentionsIn } from '../mentions';

interface FakeRoom {
  room: Room & { members: Member[] };
  events: RoomEvent[];
  messages: Message[];
  sent: Map<string, Message>;
}

/** The server behind a scripted hub: rooms in memory, with the rules that clients see. */
export class FakeServer {
  readonly rooms = new Map<string, FakeRoom>();
  readonly names = new Map<string, string>();
  readonly presence = new Map<string, PresenceStatus>();
  private made = 0;

  /** Receives each event. */
  publish: (event: RoomEvent, members: readonly string[]) => void = () => undefined;
  /** The address of every file. */
  fileUrl = 'icon.svg';
  /** Limit of events in a resume; more are truncated. */
  resumeMax = 500;

  constructor(private seq: Seq = 1_700_000_000_000_000) {}

  person(userId: string, displayName: string): void {
    this.names.set(userId, displayName);
  }

  addRoom(kind: RoomKind, userIds: readonly string[], name?: string, at = this.tick()): Room {
    const roomId = `room-${++this.made}`;
    const members = userIds.map((userId, index) => this.member(userId, index === 0 ? 'owner' : 'member'));
    const createdAt = iso(at);
    const room = { roomId, kind, ...(name ? { name } : {}), createdBy: userIds[0] ?? '', createdAt, archived: false, headSeq: at, members, memberCount: members.length };
    this.rooms.set(roomId, { room, events: [], messages: [], sent: new Map() });
    return room;
  }

  say(roomId: string, senderId: string, body: string, more: Partial<Message> = {}): Message {
    const target = this.get(roomId);
    const clientId = more.clientId ?? `fake-${++this.made}`;
    const known = target.sent.get(`${senderId} ${clientId}`);
    if (known !== undefined) {
      return known;
    }
    const seq = more.seq ?? this.tick();
    this.seq = Math.max(this.seq, seq);
    const mentions = mentioned(target, body);
    const message: Message = {
      roomId, seq, version: seq, clientId, senderId, sentAt: iso(seq), body, attachments: [], deleted: false, reactions: [],
      ...(mentions.length > 0 ? { mentions } : {}), ...more,
    };
    target.messages.push(message);
    target.sent.set(`${senderId} ${clientId}`, message);
    this.record(target, { type: 'MessageCreated', roomId, seq, prev: target.room.headSeq, message });
    return message;
  }

  edit(roomId: string, seq: Seq, change: { body: string } | { deleted: true }): Message {
    const target = this.get(roomId);
    const version = this.tick();
    const gone = 'deleted' in change;
    const mentions = gone ? [] : mentioned(target, change.body);
    const states = gone ? { deleted: true, body: '', attachments: [], reactions: [], mentions } : { body: change.body, editedAt: iso(version), mentions };
    const message = this.replace(target, seq, (old) => ({ ...old, version, ...states }));
    this.record(target, { type: gone ? 'MessageDeleted' : 'MessageEdited', roomId, seq: version, prev: target.room.headSeq, message });
    return message;
  }

  react(roomId: string, messageSeq: Seq, emoji: string, userId: string, on: boolean): void {
    const target = this.get(roomId);
    const seq = this.tick();
    this.replace(target, messageSeq, (old) => {
      const ids = new Set(old.reactions.find((r) => r.emoji === emoji)?.userIds);
      on ? ids.add(userId) : ids.delete(userId);
      const others = old.reactions.filter((r) => r.emoji !== emoji);
      return { ...old, version: seq, reactions: ids.size > 0 ? [...others, { emoji, userIds: [...ids] }] : others };
    });
    const event: ReactionEvent = { roomId, seq, prev: target.room.headSeq, messageSeq, emoji, userId, on };
    this.record(target, { type: 'ReactionChanged', ...event });
  }

  change(roomId: string, change: 'renamed' | 'membersAdded' | 'memberRemoved' | 'archived' | 'unarchived', alter: (room: Room & { members: Member[] }) => void): Room {
    const target = this.get(roomId);
    alter(target.room);
    target.room.memberCount = target.room.members.length;
    const seq = this.tick();
    const prev = target.room.headSeq;
    this.record(target, { type: 'RoomUpdated', roomId, seq, prev, change, room: { ...target.room, headSeq: seq } });
    return target.room;
  }

  list(userId: string, archived = false): ListedRoom[] {
    const own = [...this.rooms.values()].filter(({ room }) => room.archived === archived && room.members.some((m) => m.userId === userId));
    return own.map(({ room, messages }) => {
      const mine = room.members.find((m) => m.userId === userId);
      const readSeq = mine?.readSeq ?? 0;
      const unread = messages.filter((m) => m.seq > readSeq && m.senderId !== userId && !m.deleted);
      const lastMessage = messages.at(-1);
      return {
        room: structuredClone(room), headSeq: room.headSeq, unread: unread.length, readSeq, deliveredSeq: mine?.deliveredSeq ?? 0,
        mentions: unread.filter((m) => m.mentions?.includes(userId)).length, ...(lastMessage ? { lastMessage } : {}),
      };
    });
  }

  history(roomId: string, before = Infinity, after = 0, limit = 50, fromStart = false): { messages: Message[]; hasMore: boolean } {
    const all = this.get(roomId).messages.filter((m) => m.seq < before && m.seq > after);
    return { messages: fromStart ? all.slice(0, limit) : all.slice(-limit), hasMore: all.length > limit };
  }

  after(roomId: string, seq: Seq): { roomId: string; events: RoomEvent[]; headSeq: Seq; truncated: boolean } {
    const { room, events } = this.get(roomId);
    const missed = events.filter((event) => event.seq > seq);
    const truncated = missed.length > this.resumeMax || seq > room.headSeq;
    return { roomId, events: truncated ? [] : missed, headSeq: room.headSeq, truncated };
  }

  get(roomId: string): FakeRoom {
    const found = this.rooms.get(roomId);
    if (found === undefined) {
      throw new Error("An unexpected error occurred invoking 'X' on the server. HubException: notFound: There is no such room.");
    }
    return found;
  }

  member(userId: string, role: 'owner' | 'member' = 'member'): Member {
    return { userId, displayName: this.names.get(userId) ?? userId, role, readSeq: 0, deliveredSeq: 0 };
  }

  /** Returns the next seq, by default one second after the last. */
  tick(ms = 1_000): Seq {
    this.seq += ms * 1_000;
    return this.seq;
  }

  private replace(target: FakeRoom, seq: Seq, change: (old: Message) => Message): Message {
    const index = target.messages.findIndex((message) => message.seq === seq);
    const old = target.messages[index];
    if (old === undefined) {
      throw new Error("An unexpected error occurred invoking 'X' on the server. HubException: notFound: There is no such message.");
    }
    return (target.messages[index] = change(old));
  }

  private record(target: FakeRoom, event: RoomEvent): void {
    target.room.headSeq = event.seq;
    target.events.push(event);
    this.publish(event, target.room.members.map((member) => member.userId));
  }
}

const mentioned = ({ room }: FakeRoom, body: string): string[] =>
  [...new Set(mentionsIn(body, (id) => room.members.some(({ userId }) => userId === id)).map(({ userId }) => userId))];

const iso = (seq: Seq): string => new Date(seq / 1_000).toISOString();
