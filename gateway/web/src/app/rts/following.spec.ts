import { Message, Room } from './contract';
import { FakeServer } from './testing/fake-server';
import { Harness, harness, opened, settle } from './testing/harness';

/** Fills more than one page of history, so that the first message is outside the window. */
function many(server: FakeServer, room: Room): void {
  for (let n = 1; n <= 200; n += 1) {
    server.say(room.roomId, 'bob', String(n));
  }
}
const first = ({ server, room }: Harness): Message => server.get(room.roomId).messages[0]!;

describe('messages outside the window', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it('follow edits and deletes once they were quoted', async () => {
    const made = await opened(many);
    const { server, room, view } = made;
    const { seq } = first(made);
    await view().history.fetchCited(seq);
    server.edit(room.roomId, seq, { body: 'edited' });
    expect(view().timeline.find(seq)).toBeUndefined();
    expect(view().history.cited(seq)?.body).toBe('edited');
    server.edit(room.roomId, seq, { deleted: true });
    expect(view().history.cited(seq)?.deleted).toBe(true);
  });

  it('are not overwritten by an answer that is older than an edit', async () => {
    const made = await opened(many);
    const { server, hub, room, view } = made;
    const { seq } = first(made);
    hub.next('GetHistory', (request) => {
      const before = structuredClone(hub.answer('GetHistory', request));
      server.edit(room.roomId, seq, { body: 'edited' });
      return before;
    });
    await view().history.fetchCited(seq);
    expect(view().history.cited(seq)?.body).toBe('edited');
  });

  it('enter the window in their newest state, if they change while their page is read', async () => {
    const { server, hub, room, view } = await opened(many);
    const [edited, reacted] = server.get(room.roomId).messages.slice(100, 102) as [Message, Message];
    hub.next('GetHistory', (request) => {
      const before = structuredClone(hub.answer('GetHistory', request));
      server.edit(room.roomId, edited.seq, { body: 'edited' });
      server.react(room.roomId, reacted.seq, '👍', 'bob', true);
      return before;
    });
    await view().history.older();
    expect(view().timeline.find(edited.seq)?.body).toBe('edited');
    expect(view().timeline.find(reacted.seq)?.reactions).toEqual([{ emoji: '👍', userIds: ['bob'] }]);
  });

  it('are read again after a truncated resume', async () => {
    const made = await opened(many);
    const { server, hub, room, view } = made;
    const { seq } = first(made);
    view().history.keep(first(made));
    server.resumeMax = 0;
    hub.drop();
    server.edit(room.roomId, seq, { body: 'edited meanwhile' });
    await settle(3_000);
    expect(view().history.cited(seq)?.body).toBe('edited meanwhile');
  });
});

describe('counts of mentions', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  const mention = (server: FakeServer, room: Room): void => {
    server.say(room.roomId, 'bob', '@ann one');
    server.say(room.roomId, 'bob', '@ann two');
    server.say(room.roomId, 'bob', 'three');
  };
  const counts = ({ view }: Harness): number[] => [view().unreadCount(), view().mentionCount()];

  it('follow edits and deletes of loaded messages, without asking the server', async () => {
    const made = await opened(mention);
    const { server, hub, room } = made;
    const [one, two, three] = server.get(room.roomId).messages as [Message, Message, Message];
    const asked = hub.count('ListRooms');
    expect(counts(made)).toEqual([3, 2]);
    server.edit(room.roomId, one.seq, { body: 'nobody' });
    expect(counts(made)).toEqual([3, 1]);
    server.edit(room.roomId, three.seq, { body: '`@ann` three, @ann' });
    expect(counts(made)).toEqual([3, 2]);
    server.edit(room.roomId, two.seq, { deleted: true });
    expect(counts(made)).toEqual([2, 1]);
    const live = server.say(room.roomId, 'bob', 'four');
    server.edit(room.roomId, live.seq, { body: '@ann four' });
    expect(counts(made)).toEqual([3, 2]);
    await settle(1_000);
    expect(hub.count('ListRooms')).toBe(asked);
  });

  it('follow edits and deletes of messages that are not loaded, by asking the server', async () => {
    const made = harness(mention);
    const { server, client, room } = made;
    client.start();
    await settle();
    const [one, two] = server.get(room.roomId).messages as [Message, Message];
    server.edit(room.roomId, one.seq, { body: 'nobody' });
    await settle(1_000);
    expect(counts(made)).toEqual([3, 1]);
    server.edit(room.roomId, two.seq, { deleted: true });
    await settle(1_000);
    expect(counts(made)).toEqual([2, 0]);
  });

  it('are read from the list, down to the page that holds the room', async () => {
    const made = harness(mention);
    const { server, hub, client, room } = made;
    client.start();
    await settle();
    hub.next('ListRooms', () => ({ rooms: [], cursor: 'further' }));
    server.edit(room.roomId, server.get(room.roomId).messages[0]!.seq, { deleted: true });
    await settle(1_000);
    expect(counts(made)).toEqual([2, 1]);
    expect(hub.calls).toContainEqual(['ListRooms', { limit: 50, cursor: 'further' }]);
  });

  it('are lowered once for a delete that both the answer and the event report', async () => {
    const made = await opened(mention);
    await made.view().delete(made.server.get(made.room.roomId).messages[0]!.seq);
    expect(counts(made)).toEqual([2, 1]);
  });
});

describe('the list of chats', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it('shows the newest state of the last message, loaded or not', async () => {
    const { server, client, room, view } = harness((s, r) => s.say(r.roomId, 'bob', 'last'));
    client.start();
    await settle();
    const { seq } = server.get(room.roomId).messages[0]!;
    server.edit(room.roomId, seq, { body: 'edited' });
    expect(view().lastMessage()?.body).toBe('edited');
    server.edit(room.roomId, seq, { deleted: true });
    expect(view().lastMessage()?.deleted).toBe(true);
  });
});
