import { RoomEvent } from './contract';
import { hubError } from './testing/fake-hub';
import { bodies, harness, opened, settle } from './testing/harness';

describe('RtsClient', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it('reads the list, then shows live events in order', async () => {
    const { server, client, room, view } = await opened((s, r) => s.say(r.roomId, 'bob', 'before'));
    server.say(room.roomId, 'bob', '안녕');
    expect(client.ready()).toBe(true);
    expect(bodies(view())).toEqual(['before', '안녕']);
    expect(view().unreadCount()).toBe(2);
    expect(client.people.name('bob')).toBe('밥');
  });

  it('keeps events that arrive before the list', async () => {
    const { server, hub, client, room, view } = harness();
    hub.next('ListRooms', (request) => {
      const early = hub.answer('ListRooms', request);
      server.say(room.roomId, 'bob', 'while listing');
      return early;
    });
    client.start();
    await settle();
    expect(view().lastMessage()?.body).toBe('while listing');
    expect(view().unreadCount()).toBe(1);
  });

  it('does not show a duplicate event twice', async () => {
    const { server, hub, room, view } = await opened();
    hub.onEvent = (event) => [event, event];
    server.say(room.roomId, 'bob', 'once');
    expect(bodies(view())).toEqual(['once']);
    expect(view().unreadCount()).toBe(1);
  });

  it('reorders events without a resume', async () => {
    const { server, hub, room, view } = await opened();
    let held: RoomEvent | undefined;
    hub.onEvent = (event) => {
      held = event;
      return 'drop';
    };
    server.say(room.roomId, 'bob', 'one');
    hub.onEvent = (event) => [event, held as RoomEvent];
    server.say(room.roomId, 'bob', 'two');
    await settle(2_000);
    expect(bodies(view())).toEqual(['one', 'two']);
    expect(hub.count('Resume')).toBe(0);
  });

  it('closes a gap by resuming that room', async () => {
    const { server, hub, room, view } = await opened();
    hub.onEvent = () => 'drop';
    server.say(room.roomId, 'bob', 'lost');
    hub.onEvent = (event) => [event];
    server.say(room.roomId, 'bob', 'seen');
    expect(bodies(view())).toEqual([]);
    await settle(2_000);
    expect(bodies(view())).toEqual(['lost', 'seen']);
    expect(view().unreadCount()).toBe(2);
    expect(hub.count('Resume')).toBe(1);
  });

  it('keeps trying to close a gap while resumes fail', async () => {
    const { server, hub, room, view } = await opened();
    hub.onEvent = () => 'drop';
    server.say(room.roomId, 'bob', 'lost');
    hub.onEvent = (event) => [event];
    const fail = (): never => {
      throw new Error("An unexpected error occurred invoking 'Resume' on the server. HubException: unavailable: Later.");
    };
    hub.next('Resume', fail);
    hub.next('Resume', fail);
    server.say(room.roomId, 'bob', 'seen');
    await settle(5_000);
    expect(bodies(view())).toEqual(['lost', 'seen']);
  });

  it('reconnects without limit and resumes from its last seq', async () => {
    const { server, hub, client, room, view } = await opened((s, r) => s.say(r.roomId, 'bob', 'before'));
    const last = view().chain.lastSeq;
    hub.refuseStarts = 25;
    hub.drop();
    server.say(room.roomId, 'bob', 'missed 1');
    server.say(room.roomId, 'bob', 'missed 2');
    await settle(1_000);
    expect(client.connection.state()).not.toBe('online');
    await settle(60_000);
    expect(client.connection.state()).toBe('online');
    expect(hub.calls.find(([method]) => method === 'Resume')?.[1]).toEqual({ rooms: [{ roomId: room.roomId, seq: last }] });
    expect(bodies(view())).toEqual(['before', 'missed 1', 'missed 2']);
    expect(hub.starts).toBe(27);
  });

  it('reads the history again after a truncated resume, leaving no hole', async () => {
    const { server, hub, room, view } = await opened((s, r) => s.say(r.roomId, 'bob', 'old'));
    server.resumeMax = 3;
    hub.drop();
    for (let n = 1; n <= 100; n += 1) {
      server.say(room.roomId, 'bob', `missed ${n}`);
    }
    await settle(2_000);
    expect(bodies(view())).toHaveLength(60);
    expect(bodies(view()).at(-1)).toBe('missed 100');
    expect(view().timeline.hasOlder()).toBe(true);
    expect(view().unreadCount()).toBe(101);
    await view().history.older();
    expect(bodies(view())).toEqual(['old', ...Array.from({ length: 100 }, (_, n) => `missed ${n + 1}`)]);
  });

  it('reads the room again after its order was rebuilt', async () => {
    const { server, hub, room, view } = await opened((s, r) => s.say(r.roomId, 'bob', 'old'));
    const histories = hub.count('GetHistory');
    const seq = server.tick();
    const message = { ...server.history(room.roomId).messages[0]!, seq, version: seq, body: 'after' };
    hub.deliver({ type: 'MessageCreated', roomId: room.roomId, seq, prev: 5, message });
    await settle(500);
    expect(hub.count('GetHistory')).toBe(histories + 1);
    expect(view().chain.lastSeq).toBeGreaterThanOrEqual(seq);
  });

  it('while offline: drops a room that it was removed from and adds one that it was added to', async () => {
    const { server, hub, client, room } = await opened();
    hub.drop();
    const added = server.addRoom('group', ['bob', 'ann'], 'new');
    server.say(added.roomId, 'bob', 'welcome');
    hub.next('Resume', () => ({ rooms: [], joined: [added.roomId], left: [room.roomId] }));
    await settle(2_000);
    expect([...client.rooms().keys()]).toContain(added.roomId);
    expect(client.room(added.roomId)?.lastMessage()?.body).toBe('welcome');
  });

  it('applies edits, deletes and reactions, and lowers the unread count', async () => {
    const { server, room, view } = await opened((s, r) => s.say(r.roomId, 'bob', 'frist'));
    const first = view().timeline.messages()[0]!.seq;
    server.edit(room.roomId, first, { body: 'first' });
    server.react(room.roomId, first, '👍', 'bob', true);
    expect(view().timeline.find(first)).toMatchObject({ body: 'first', reactions: [{ emoji: '👍', userIds: ['bob'] }] });
    server.react(room.roomId, first, '👍', 'bob', false);
    expect(view().timeline.find(first)?.reactions).toEqual([]);
    server.edit(room.roomId, first, { deleted: true });
    expect(view().timeline.find(first)).toMatchObject({ deleted: true, body: '' });
    expect(view().lastMessage()?.deleted).toBe(true);
    expect(view().unreadCount()).toBe(0);
  });

  it('coalesces read and delivered marks, and sends them again after a lost connection', async () => {
    const { server, hub, room, view } = await opened();
    const seqs = [1, 2, 3].map((n) => server.say(room.roomId, 'bob', `m${n}`).seq);
    view().markRead(seqs[1]!);
    view().markRead(seqs[2]!);
    expect(view().unreadCount()).toBe(0);
    hub.drop();
    await settle(3_000);
    const marks = hub.calls.filter(([method]) => method === 'MarkRead');
    expect(marks.map(([, request]) => request['seq'])).toEqual([seqs[2]]);
    expect(hub.count('MarkDelivered')).toBe(1);
  });

  it('follows reads on another device', async () => {
    const { server, hub, room, view } = await opened();
    const seq = server.say(room.roomId, 'bob', 'hello').seq;
    hub.emit('ReceiptsUpdated', { roomId: room.roomId, receipts: [{ userId: 'ann', readSeq: seq }] });
    expect(view().unreadCount()).toBe(0);
  });

  it('lowers the unread count exactly while reading, even far from the newest message', async () => {
    const { server, room, view } = await opened((s, r) => {
      for (let n = 1; n <= 300; n += 1) {
        s.say(r.roomId, 'bob', `m${n}`);
      }
    });
    const all = server.history(room.roomId, Infinity, 0, 300).messages;
    await view().history.around(all[9]!.seq);
    expect(view().timeline.atNewest()).toBe(false);
    view().markRead(all[19]!.seq);
    expect(view().unreadCount()).toBe(280);
    view().markRead(all.at(-1)!.seq);
    expect(view().unreadCount()).toBe(0);
  });

  it('asks for the count when another device has read outside the window, and keeps what was read here', async () => {
    const { server, hub, room, view } = await opened((s, r) => {
      for (let n = 1; n <= 100; n += 1) {
        s.say(r.roomId, 'bob', `m${n}`);
      }
    });
    const all = server.history(room.roomId, Infinity, 0, 100).messages;
    server.get(room.roomId).room.members[0]!.readSeq = all[9]!.seq;
    hub.emit('ReceiptsUpdated', { roomId: room.roomId, receipts: [{ userId: 'ann', readSeq: all[9]!.seq }] });
    view().markRead(all[89]!.seq);
    await settle(300);
    expect(view().unreadCount()).toBe(10);
    expect(view().readSeq()).toBe(all[89]!.seq);
  });

  it('counts mentions separately', async () => {
    const { server, room, view } = await opened();
    server.say(room.roomId, 'bob', 'hey @ann');
    server.say(room.roomId, 'bob', 'well');
    expect([view().unreadCount(), view().mentionCount()]).toEqual([2, 1]);
  });

  it('remembers an unsupported method until the next connection', async () => {
    const { hub, client, room } = await opened();
    hub.missing.add('React');
    const react = client.invoke('React', { roomId: room.roomId, seq: 1, emoji: '👍', on: true });
    await expect(react).rejects.toMatchObject({ code: 'unsupported' });
    expect(client.supports('React')).toBe(false);
    expect(client.supports('SendMessage')).toBe(true);
    hub.drop();
    await settle(2_000);
    expect(client.supports('React')).toBe(true);
  });

  it('shows a user typing until a message arrives or the time is up', async () => {
    const { server, hub, room, view } = await opened();
    const typing = { roomId: room.roomId, userId: 'bob', typing: true };
    hub.emit('Typing', typing);
    expect(view().typing.users()).toEqual(['bob']);
    server.say(room.roomId, 'bob', 'done');
    expect(view().typing.users()).toEqual([]);
    hub.emit('Typing', typing);
    await settle(7_000);
    expect(view().typing.users()).toEqual([]);
  });

  it('watches presence, and again after a reconnect', async () => {
    const { hub, client } = await opened();
    client.people.watch(['bob']);
    await settle(200);
    expect(client.people.status('bob')).toBe('online');
    hub.emit('PresenceChanged', { userId: 'bob', status: 'away' });
    expect(client.people.person('bob')).toMatchObject({ displayName: '밥', status: 'away' });
    hub.emit('PersonChanged', { userId: 'bob', displayName: '로버트' });
    expect(client.people.person('bob')).toMatchObject({ displayName: '로버트', status: 'away' });
    hub.drop();
    expect(client.people.status('bob')).toBeUndefined();
    await settle(2_000);
    expect(client.people.status('bob')).toBe('online');
  });

  it('takes an archived room off the list, and still opens it', async () => {
    const { server, client, room } = await opened();
    server.change(room.roomId, 'archived', (r) => (r.archived = true));
    expect(client.roomList()).toEqual([]);
    expect((await client.openRoom(room.roomId)).info().archived).toBe(true);
  });
});

describe('a failed reload', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it('leaves no hole: after a truncated resume whose page was refused, the next try reads it', async () => {
    const { server, hub, room, view } = await opened();
    server.say(room.roomId, 'bob', 'seen');
    server.resumeMax = 2;
    hub.drop();
    ['missed 1', 'missed 2', 'missed 3'].forEach((body) => server.say(room.roomId, 'bob', body));
    for (const method of ['GetHistory', 'ListRooms'] as const) {
      hub.next(method, () => {
        throw hubError(method, 'rateLimited: Too fast. retryAfterMs=300');
      });
    }
    await settle(5_000);
    server.say(room.roomId, 'bob', 'live');
    expect(bodies(view())).toEqual(['seen', 'missed 1', 'missed 2', 'missed 3', 'live']);
    expect(view().unreadCount()).toBe(5);
  });

  it('asks again for a list that was rate limited: a new room is not lost', async () => {
    const { server, hub, client } = await opened();
    hub.next('ListRooms', () => {
      throw hubError('ListRooms', 'rateLimited: Too fast. retryAfterMs=500');
    });
    const other = server.addRoom('direct', ['ann', 'bob']);
    server.say(other.roomId, 'bob', 'hello');
    await settle(3_000);
    expect(client.room(other.roomId)?.lastMessage()?.body).toBe('hello');
  });
});
