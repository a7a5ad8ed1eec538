import { Outgoing, OutboxStorage } from './outbox';
import { hubError } from './testing/fake-hub';
import { bodies, harness, opened, settle } from './testing/harness';

describe('sending', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it('shows a message at once and once, whichever of ack and event is first', async () => {
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

  it('sends again with the same clientId when the ack was lost: one message', async () => {
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

  it('takes a duplicate ack for a message that came by a resume', async () => {
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

  it('waits longer and longer while nothing is said, up to ten seconds', async () => {
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

  it('fails what cannot be sent, lets others pass, and tries again on demand', async () => {
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

  it('keeps unsent messages over a reload, under their clientId', async () => {
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

  it('goes from sending over sent, stored and delivered to read', async () => {
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

  it('shows an own message as sending until it is durable, although its event came', async () => {
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
