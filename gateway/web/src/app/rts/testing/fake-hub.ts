import { Member, Method, Methods, RoomEvent } from '../contract';
import { HubLink } from '../link';
import { FakeServer } from './fake-server';

type Handler = (payload: never) => void;
type Any = Record<string, never>;

/** A scripted hub connection of one user: loses, doubles, delays and refuses on demand. */
export class FakeHub implements HubLink {
  private readonly handlers = new Map<string, Handler[]>();
  private readonly closed: ((error?: Error) => void)[] = [];
  private readonly script = new Map<Method, ((request: Any) => unknown)[]>();

  /** Every call, in order. */
  readonly calls: [Method, Any][] = [];
  /** Methods that this server lacks. */
  readonly missing = new Set<Method>();
  connected = false;
  starts = 0;
  /** Number of next starts that fail. */
  refuseStarts = 0;
  /** True if every token is refused. */
  refuseTokens = false;
  /** True if calls get no answer, as on a network that is silently gone. */
  deaf = false;
  /** Limit of a record; a larger one costs the connection without an answer. */
  recordBytesMax = Infinity;
  /** Changes an event on its way to the client; `drop` loses it. */
  onEvent: (event: RoomEvent) => RoomEvent[] | 'drop' = (event) => [event];

  constructor(
    readonly server: FakeServer,
    readonly userId: string,
  ) {
    const before = server.publish;
    server.publish = (event, members) => {
      before(event, members);
      if (this.connected && members.includes(userId)) {
        const passed = this.onEvent(structuredClone(event));
        (passed === 'drop' ? [] : passed).forEach((each) => this.deliver(each));
      }
    };
  }

  /** Sets the answer to the next call of a method. */
  next(method: Method, answer: (request: Any) => unknown): void {
    this.script.set(method, [...(this.script.get(method) ?? []), answer]);
  }

  deliver({ type, ...payload }: RoomEvent): void {
    this.emit(type, payload);
  }

  emit(event: string, payload: object): void {
    (this.handlers.get(event) ?? []).forEach((handler) => handler(payload as never));
  }

  /** Breaks the connection. */
  drop(reason = 'WebSocket closed with status code: 1006'): void {
    this.connected = false;
    this.closed.forEach((handler) => handler(new Error(reason)));
  }

  count(method: Method): number {
    return this.calls.filter(([called]) => called === method).length;
  }

  async start(): Promise<void> {
    this.starts += 1;
    if (this.refuseTokens) {
      throw new Error("Failed to complete negotiation with the server: Error: : Status code '401'");
    }
    if (this.refuseStarts > 0) {
      this.refuseStarts -= 1;
      throw new Error('Failed to complete negotiation');
    }
    this.connected = true;
  }

  async stop(): Promise<void> {
    this.connected = false;
  }

  on(event: string, handler: Handler): void {
    this.handlers.set(event, [...(this.handlers.get(event) ?? []), handler]);
  }

  onClose(handler: (error?: Error) => void): void {
    this.closed.push(handler);
  }

  async invoke(name: string, request: object): Promise<unknown> {
    const method = name as Method;
    this.calls.push([method, request as Any]);
    if (!this.connected) {
      throw new Error('Cannot send data if the connection is not in the Connected State.');
    }
    if (this.missing.has(method)) {
      throw hubError(method, 'Method does not exist.');
    }
    await Promise.resolve();
    if (this.deaf) {
      return new Promise(() => undefined);
    }
    if (new TextEncoder().encode(JSON.stringify(request)).length > this.recordBytesMax) {
      const reason = 'Server returned an error on close: Connection closed with an error.';
      this.drop(reason);
      throw new Error(reason);
    }
    const scripted = this.script.get(method)?.shift();
    const answer = await (scripted ?? ((r: Any) => this.answer(method, r)))(request as Any);
    if (!this.connected) {
      throw new Error('Invocation canceled due to the underlying connection being closed.');
    }
    return structuredClone(answer);
  }

  /** Streams from the same script: one answer holds all items. */
  async *stream(method: string, request: object): AsyncGenerator<unknown> {
    this.calls.push([method as Method, request as Any]);
    if (this.missing.has(method as Method)) {
      throw hubError(method as Method, 'Method does not exist.');
    }
    const { roomId, from = 0, to = Infinity } = request as { roomId: string; from?: number; to?: number };
    const wanted = this.server.get(roomId).messages.filter(({ seq }) => seq >= from && seq <= to);
    for (const message of wanted) {
      await Promise.resolve();
      if (!this.connected) {
        throw new Error('Invocation canceled due to the underlying connection being closed.');
      }
      yield structuredClone(message);
    }
  }

  /** Returns the server's answer to a call. */
  answer(method: Method, request: object): unknown {
    const { server, userId } = this;
    const verbs: { [M in Method]?: (request: Methods[M][0]) => unknown } = {
      ListRooms: ({ archived, query }) => ({ rooms: server.list(userId, archived).filter(({ room }) => !query || room.name?.includes(query)) }),
      GetRoom: ({ roomId }) => {
        const { room } = server.get(roomId);
        if (!room.members.some((member) => member.userId === userId)) {
          throw hubError(method, 'notFound: There is no such room.');
        }
        return { room };
      },
      CreateRoom: ({ kind, memberIds, name, caseId }) => {
        const known = [...server.rooms.values()].find((r) => caseId !== undefined && r.room.caseId === caseId)?.room;
        if (known !== undefined) {
          if (!known.members.some((m) => m.userId === userId)) {
            throw hubError(method, 'conflict: This case has a room already, and you are not in it.');
          }
          return { room: known };
        }
        const room = Object.assign(server.addRoom(kind, [userId, ...memberIds], name), caseId ? { caseId } : {});
        this.emit('RoomAdded', { room: structuredClone(room) });
        return { room };
      },
      AddMembers: ({ roomId, userIds }) => ({ room: server.change(roomId, 'membersAdded', (r) => r.members.push(...userIds.map((id) => server.member(id)))) }),
      RemoveMember: ({ roomId, userId: gone }) => ({ room: server.change(roomId, 'memberRemoved', (r) => (r.members = without(r.members, gone))) }),
      LeaveRoom: ({ roomId }) => {
        server.change(roomId, 'memberRemoved', (r) => (r.members = without(r.members, userId)));
        this.emit('RoomRemoved', { roomId });
        return {};
      },
      RenameRoom: ({ roomId, name }) => ({ room: server.change(roomId, 'renamed', (r) => (r.name = name)) }),
      ArchiveRoom: ({ roomId }) => ({ room: server.change(roomId, 'archived', (r) => (r.archived = true)) }),
      UnarchiveRoom: ({ roomId }) => ({ room: server.change(roomId, 'unarchived', (r) => (r.archived = false)) }),
      SendMessage: ({ roomId, clientId, body = '', replyTo }) => {
        const before = server.get(roomId).messages.length;
        const message = server.say(roomId, userId, body, { clientId, ...(replyTo ? { replyTo } : {}) });
        return { seq: message.seq, sentAt: message.sentAt, duplicate: server.get(roomId).messages.length === before };
      },
      EditMessage: ({ roomId, seq, body }) => ({ message: server.edit(roomId, seq, { body }) }),
      DeleteMessage: ({ roomId, seq }) => ({ message: server.edit(roomId, seq, { deleted: true }) }),
      React: ({ roomId, seq, emoji, on }) => (server.react(roomId, seq, emoji, userId, on), {}),
      MarkRead: ({ roomId, seq }) => this.mark(roomId, 'readSeq', seq),
      MarkDelivered: ({ roomId, seq }) => this.mark(roomId, 'deliveredSeq', seq),
      GetHistory: ({ roomId, before, after, limit }) => server.history(roomId, before, after, limit, after !== undefined && before === undefined),
      Resume: ({ rooms }) => ({ rooms: rooms.map(({ roomId, seq }) => server.after(roomId, seq)), joined: this.joined(rooms), left: [] }),
      SetTyping: () => ({}),
      SetPresence: () => ({}),
      WatchPresence: ({ userIds }) => ({ users: userIds.map((id) => ({ userId: id, status: server.presence.get(id) ?? 'online' })) }),
      SearchUsers: ({ query = '' }) => ({
        users: [...server.names].filter(([id, n]) => id.startsWith(query) || n.startsWith(query)).map(([id, displayName]) => ({ userId: id, displayName, status: 'online' })),
      }),
      GetAttachmentUrl: () => ({ url: server.fileUrl, expiresAt: new Date(Date.now() + 300_000).toISOString() }),
      SearchMessages: ({ query, roomId }) => ({
        messages: [...server.rooms.values()].flatMap((r) => r.messages).filter((m) => m.body.includes(query) && (!roomId || m.roomId === roomId)).reverse(),
      }),
    };
    const verb = verbs[method] as ((request: object) => unknown) | undefined;
    if (verb === undefined) {
      throw hubError(method, 'Method does not exist.');
    }
    return verb(request);
  }

  private joined(named: readonly { roomId: string }[]): string[] {
    const own = [...this.server.rooms.values()].filter(({ room }) => room.members.some((m) => m.userId === this.userId));
    return own.map(({ room }) => room.roomId).filter((id) => !named.some(({ roomId }) => roomId === id));
  }

  private mark(roomId: string, field: 'readSeq' | 'deliveredSeq', seq: number): object {
    const mine = this.server.get(roomId).room.members.find((m) => m.userId === this.userId);
    if (mine !== undefined) {
      mine[field] = Math.max(mine[field], seq);
    }
    return { [field]: mine?.[field] ?? 0 };
  }
}

const without = (members: readonly Member[], userId: string): Member[] => members.filter((member) => member.userId !== userId);

/** Returns a refusal in the wording of the gateway. */
export function hubError(method: Method, text: string): Error {
  return new Error(`An unexpected error occurred invoking '${method}' on the server. HubException: ${text}`);
}
