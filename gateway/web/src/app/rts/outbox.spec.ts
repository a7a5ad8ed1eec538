import { Outgoing, OutboxStorage, sessionOutbox } from './outbox';
import { hubError } from './testing/fake-hub';
import { bodies, harness, opened, settle } from './testing/harness';

describe('sending', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it('shows a message at once and only once, whichever of ack and event comes first', async () => {
    const { hub, room, view } = await opened();
    const early = view().send({ body: 'event first' });
    expect(view().outgoing().map((o) => [o.body, o.state])).toEqual([['event first', 'sending']]);
    await settle();
    expect(bodies(view())).toEqual(['event first']);
    expect(view().outgoing()).toEqual([]);

    hub.onEvent = () => 'drop';
    view().send({ body: 'ack first' });
    await settle();
    expect(view().outgoing().map((o) => o.state)).toEqual(['sent']);
    const event = hub.server.get(room.roomId).events.at(-1)!;
    hub.deliver(event);
    expect(view().outgoing()).toEqual([]);
    expect(bodies(view())).toEqual(['event first', 'ack first']);
    expect(early.clientId).toHaveLength(32);
  });

  it('sends again with the same clientId after a lost ack: one message', async () => {
    const { server, hub, room, view, client } = await opened();
    hub.next('SendMessage', (request) => {
      const answer = hub.answer('SendMessage', request);
      hub.drop();
      return answer;
    });
    const { clientId } = view().send({ body: 'only once' });
    await settle(5_000);
    const sends = hub.calls.filter(([method]) => method === 'SendMessage');
    expect(sends.map(([, request]) => request['clientId'])).toEqual([clientId, clientId]);
    expect(server.history(room.roomId).messages).toHaveLength(1);
    expect(bodies(view())).toEqual(['only once']);
    expect(client.outbox.all()).toEqual([]);
  });

  it('accepts a duplicate ack for a message that arrived by a resume', async () => {
    const { hub, view, client } = await opened();
    hub.onEvent = () => 'drop';
    hub.next('SendMessage', (request) => {
      hub.answer('SendMessage', request);
      hub.drop();
    });
    view().send({ body: 'seen by resume' });
    await settle(5_000);
    expect(bodies(view())).toEqual(['seen by resume']);
    expect([client.outbox.all(), view().outgoing()]).toEqual([[], []]);
    expect(view().sendState(view().timeline.messages()[0]!)).toBe('sent');
  });

  it('queues while offline and sends in the order of writing, after the resume', async () => {
    const { server, hub, room, view } = await opened();
    hub.refuseStarts = 3;
    hub.drop();
    ['one', 'two', 'three'].forEach((body) => view().send({ body }));
    server.say(room.roomId, 'bob', 'meanwhile');
    expect(view().outgoing().every((o) => o.state === 'queued')).toBe(true);
    await settle(10_000);
    expect(bodies(view())).toEqual(['meanwhile', 'one', 'two', 'three']);
    const order = hub.calls.map(([method]) => method);
    expect(order.indexOf('Resume')).toBeLessThan(order.indexOf('SendMessage'));
  });

  it.each(['rateLimited: Too fast.', 'unavailable: Try again.'])('waits at least as long as the server says: %s', async (told) => {
    const { hub, view } = await opened();
    hub.next('SendMessage', () => {
      throw hubError('SendMessage', `${told} retryAfterMs=1500`);
    });
    view().send({ body: 'patient' });
    await settle(1_490);
    expect(hub.count('SendMessage')).toBe(1);
    await settle(770);
    expect(bodies(view())).toEqual(['patient']);
  });

  it('waits longer and longer if the server gives no time, up to ten seconds', async () => {
    const { hub, view } = await opened();
    const at: number[] = [];
    const refuse = (): never => {
      at.push(Date.now());
      throw hubError('SendMessage', 'unavailable: Try again.');
    };
    for (let times = 0; times < 8; times += 1) {
      hub.next('SendMessage', refuse);
    }
    view().send({ body: 'patient' });
    await settle(60_000);
    const waits = at.slice(1).map((time, index) => time - at[index]!);
    const steps = [500, 1_000, 2_000, 4_000, 8_000, 10_000, 10_000];
    expect(waits).toHaveLength(steps.length);
    waits.forEach((wait, index) => {
      expect(wait).toBeGreaterThanOrEqual(Math.floor(steps[index]! / 2));
      expect(wait).toBeLessThanOrEqual(steps[index]! + 1);
    });
    expect(bodies(view())).toEqual(['patient']);
  });

  it('fails what cannot be sent, lets others pass, and retries on demand', async () => {
    const { hub, view, client } = await opened();
    hub.next('SendMessage', () => {
      throw hubError('SendMessage', 'tooLarge: body has more than 16384 bytes of UTF-8.');
    });
    const { clientId } = view().send({ body: 'big' });
    view().send({ body: 'small' });
    await settle();
    expect(view().outgoing().map((o) => [o.body, o.state, o.error?.code])).toEqual([['big', 'failed', 'tooLarge']]);
    expect(bodies(view())).toEqual(['small']);
    client.outbox.retry(clientId);
    await settle();
    expect(bodies(view())).toEqual(['small', 'big']);
    expect(hub.calls.filter(([m, r]) => m === 'SendMessage' && r['clientId'] === clientId)).toHaveLength(2);
  });

  it('keeps unsent messages across a reload, with their clientId', async () => {
    let stored: readonly Outgoing[] = [];
    const storage: OutboxStorage = { load: () => structuredClone(stored) as Outgoing[], save: (queue) => void (stored = queue) };
    const first = harness(undefined, storage);
    first.client.start();
    await settle();
    first.hub.refuseStarts = 100;
    first.hub.drop();
    const { clientId } = first.view().send({ body: 'kept' });
    const second = harness(undefined, storage);
    second.client.start();
    await settle(1_000);
    expect(second.server.history(second.room.roomId).messages.map((m) => [m.body, m.clientId])).toEqual([['kept', clientId]]);
    expect(stored).toEqual([]);
  });

  it('goes from sending to sent, stored, delivered and read', async () => {
    const { hub, room, view } = await opened();
    view().send({ body: 'how far?' });
    await settle();
    const message = view().timeline.messages()[0]!;
    const receipts = (mark: object): void => hub.emit('ReceiptsUpdated', { roomId: room.roomId, receipts: [{ userId: 'bob', ...mark }] });
    expect(view().sendState(message)).toBe('sent');
    hub.emit('MessagesStored', { roomId: room.roomId, seqs: [message.seq] });
    expect(view().sendState(message)).toBe('stored');
    receipts({ deliveredSeq: message.seq });
    expect(view().sendState(message)).toBe('delivered');
    receipts({ readSeq: message.seq });
    expect(view().sendState(message)).toBe('read');
  });

  it('shows an own message as sending until it is durable, although its event arrived', async () => {
    const { hub, view } = await opened();
    let release: () => void = () => undefined;
    hub.next('SendMessage', async (request) => {
      const answer = hub.answer('SendMessage', request);
      await new Promise<void>((resolve) => (release = resolve));
      return answer;
    });
    view().send({ body: 'durable?' });
    await settle();
    expect(bodies(view())).toEqual(['durable?']);
    expect(view().outgoing()).toEqual([]);
    expect(view().sendState(view().timeline.messages()[0]!)).toBe('sending');
    release();
    await settle();
    expect(view().sendState(view().timeline.messages()[0]!)).toBe('sent');
  });
});

describe('a message that is refused for good', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  /** 120 kB as text, 270 kB as JSON, where each escape character takes six bytes. */
  const colours = '\u001b[0m'.repeat(30_000);

  it('is never a body within the limits, however long it is as JSON', async () => {
    const { hub, view } = await opened();
    hub.recordBytesMax = 256 * 1024;
    const largest = '\u0001'.repeat(16 * 1024);
    view().send({ body: largest });
    await settle(1_000);
    expect([bodies(view()), view().outgoing(), hub.starts]).toEqual([[largest], [], 1]);
  });

  it('fails at once when it is too large for a record, and costs nothing else', async () => {
    const { hub, view, client } = await opened();
    hub.recordBytesMax = 256 * 1024;
    view().send({ body: colours });
    view().send({ body: 'after it' });
    await settle(60_000);
    expect(view().outgoing().map((o) => [o.body === colours, o.state, o.error?.code])).toEqual([[true, 'failed', 'tooLarge']]);
    expect(bodies(view())).toEqual(['after it']);
    expect([hub.starts, hub.count('SendMessage'), client.connection.state()]).toEqual([1, 1, 'online']);
    await expect(view().edit(view().timeline.messages()[0]!.seq, colours)).rejects.toMatchObject({ code: 'tooLarge' });
    expect(hub.starts).toBe(1);
  });

  it('fails when it costs the connection twice, on a server with a smaller limit', async () => {
    const { hub, view } = await opened();
    hub.recordBytesMax = 5_000;
    view().send({ body: 'x'.repeat(6_000) });
    view().send({ body: 'after it' });
    await settle(60_000);
    expect(view().outgoing().map((o) => [o.state, o.error?.code])).toEqual([['failed', 'internal']]);
    expect(bodies(view())).toEqual(['after it']);
    expect([hub.starts, hub.count('SendMessage')]).toEqual([3, 3]);
  });

  it('does not result from lost connections', async () => {
    const { hub, view } = await opened();
    for (let times = 0; times < 6; times += 1) {
      hub.next('SendMessage', () => hub.drop());
    }
    view().send({ body: 'at last' });
    await settle(60_000);
    expect(bodies(view())).toEqual(['at last']);
  });

  it('stays failed across a reload, with its reason', async () => {
    sessionStorage.clear();
    const first = harness(undefined, sessionOutbox('test'));
    first.client.start();
    await settle();
    first.view().send({ body: colours });
    await settle();
    const second = harness(undefined, sessionOutbox('test'));
    second.client.start();
    await settle(5_000);
    expect(second.view().outgoing().map((o) => [o.state, o.error?.code, o.error?.retryable])).toEqual([['failed', 'tooLarge', false]]);
    expect(second.hub.count('SendMessage')).toBe(0);
  });

  it('is one that waited for longer than the server remembers a clientId: its writer decides', async () => {
    const old = { clientId: 'c', roomId: 'room-1', body: 'old', attachments: [], createdAt: Date.now() - 30 * 3_600_000, state: 'queued' } as const;
    const { client, hub, view } = harness(undefined, { load: () => [old], save: () => undefined });
    client.start();
    await settle(5_000);
    expect(view().outgoing().map((o) => [o.state, o.error?.code])).toEqual([['failed', 'expired']]);
    expect(hub.count('SendMessage')).toBe(0);
  });

  it('is also one that grows too old in an open page, and none whose event came', async () => {
    const { hub, view, client } = await opened();
    const late = async (body: string, isAccepted: boolean): Promise<void> => {
      hub.next('SendMessage', (request) => {
        if (isAccepted) {
          hub.answer('SendMessage', request);
        }
        throw hubError('SendMessage', 'unavailable: Try again. retryAfterMs=1000');
      });
      view().send({ body });
      await settle(100);
      vi.setSystemTime(Date.now() + 24 * 3_600_000);
      await settle(60_000);
    };
    await late('never arrived', false);
    expect(client.outbox.all().map((o) => [o.body, o.state, o.error?.code])).toEqual([['never arrived', 'failed', 'expired']]);
    await late('arrived', true);
    expect(client.outbox.all().map((o) => o.body)).toEqual(['never arrived']);
    expect([hub.count('SendMessage'), bodies(view())]).toEqual([2, ['arrived']]);
  });

  it('is none that an earlier attempt brought into the room', async () => {
    const { hub, view, client } = await opened();
    hub.next('SendMessage', (request) => {
      hub.answer('SendMessage', request);
      throw hubError('SendMessage', 'unavailable: Try again. retryAfterMs=100');
    });
    hub.next('SendMessage', () => {
      throw hubError('SendMessage', 'archived: The room is read-only.');
    });
    view().send({ body: 'there already' });
    await settle(5_000);
    expect([bodies(view()), client.outbox.all()]).toEqual([['there already'], []]);
    expect(view().sendState(view().timeline.messages()[0]!)).toBe('sent');
  });

  it('waits longer and longer for a server that repeats the same short time', async () => {
    const { hub, view } = await opened();
    for (let times = 0; times < 40; times += 1) {
      hub.next('SendMessage', () => {
        throw hubError('SendMessage', 'rateLimited: Too fast. retryAfterMs=20');
      });
    }
    view().send({ body: 'patient' });
    await settle(30_000);
    expect(hub.count('SendMessage')).toBeLessThan(12);
  });

  it('reconnects with growing waits while each connection breaks soon after it is up', async () => {
    const { hub } = await opened();
    const at: number[] = [];
    const start = hub.start.bind(hub);
    hub.start = async () => {
      at.push(Date.now());
      await start();
      setTimeout(() => hub.drop(), 50);
    };
    hub.drop();
    await settle(10_000);
    const waits = at.slice(1).map((time, index) => time - at[index]!);
    expect(waits.slice(0, 4).every((wait, index) => index === 0 || wait > waits[index - 1]!)).toBe(true);
    expect(at.length).toBeLessThan(25);
  });

  it('sends as soon as there is a connection, however long the last one was down', async () => {
    const { hub, view } = await opened();
    hub.next('SendMessage', () => {
      throw new Error('Cannot send data if the connection is not in the Connected State.');
    });
    view().send({ body: 'patient' });
    await settle(10);
    hub.drop();
    await settle(200);
    expect(bodies(view())).toEqual(['patient']);
  });

  it('repeats a mark that was rate limited, and not one that was refused', async () => {
    const { server, hub, room, view } = await opened();
    const { seq } = server.say(room.roomId, 'bob', 'read me');
    hub.next('MarkRead', () => {
      throw hubError('MarkRead', 'rateLimited: Too fast. retryAfterMs=3000');
    });
    view().markRead(seq);
    await settle(3_700);
    expect(hub.count('MarkRead')).toBe(1);
    await settle(2_000);
    expect(hub.count('MarkRead')).toBe(2);
    hub.next('MarkRead', () => {
      throw hubError('MarkRead', 'notFound: There is no such room.');
    });
    view().markRead(server.say(room.roomId, 'bob', 'and me').seq);
    await settle(60_000);
    expect(hub.count('MarkRead')).toBe(3);
  });

  it('reports why the rooms are not in step, and tries again', async () => {
    const { hub, client } = harness();
    hub.next('ListRooms', () => {
      throw hubError('ListRooms', 'internal: Something broke.');
    });
    client.start();
    await settle();
    expect([client.trouble()?.code, client.ready()]).toEqual(['internal', false]);
    await settle(1_000);
    expect([client.trouble(), client.ready()]).toEqual([undefined, true]);
  });
});
