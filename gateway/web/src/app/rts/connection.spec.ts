import { Outgoing, OutboxStorage } from './outbox';
import { bodies, harness, opened, settle } from './testing/harness';

describe('a sign-in that ends', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it('is no lost connection: nothing is tried until somebody signs in again, then everything goes on', async () => {
    let stored: readonly Outgoing[] = [];
    const storage: OutboxStorage = { load: () => [], save: (queue) => void (stored = queue) };
    const { client, hub, view } = harness(undefined, storage);
    client.start();
    await settle();
    hub.refuseTokens = true;
    hub.drop();
    await settle(60_000);
    expect([client.connection.state(), hub.starts]).toEqual(['refused', 2]);
    view().send({ body: 'kept' });
    await settle(60_000);
    expect([hub.starts, stored.map(({ body }) => body)]).toEqual([2, ['kept']]);
    hub.refuseTokens = false;
    client.connection.restart();
    await view().open();
    await settle(1_000);
    expect([client.connection.state(), bodies(view()), stored]).toEqual(['online', ['kept'], []]);
  });

  it('ends by being revoked', async () => {
    const { client, hub } = await opened();
    hub.drop('Server returned an error on close: Access was revoked.');
    await settle(60_000);
    expect([client.connection.state(), hub.starts]).toEqual(['refused', 1]);
  });

  it('is not begun again by a network that comes back', async () => {
    const { client, hub } = await opened();
    hub.refuseTokens = true;
    hub.drop();
    await settle(1_000);
    globalThis.dispatchEvent(new Event('online'));
    await settle(60_000);
    expect([client.connection.state(), hub.starts]).toEqual(['refused', 2]);
  });

  it('says that there are too many, and tries with growing waits', async () => {
    const { client, hub } = await opened();
    const start = hub.start.bind(hub);
    hub.start = async () => {
      await start();
      setTimeout(() => hub.drop('Server returned an error on close: The user has too many connections.'), 1);
    };
    hub.drop();
    await settle(20_000);
    expect(client.connection.crowded()).toBe(true);
    expect(hub.starts).toBeLessThan(45);
    hub.start = start;
    await settle(2_000);
    expect([client.connection.state(), client.outbox.all()]).toEqual(['online', []]);
  });

  it('does not count a token that ran out: the next connection has a new one', async () => {
    const { client, hub } = await opened();
    hub.drop('Server returned an error on close: Token expired.');
    await settle(1_000);
    expect(client.connection.state()).toBe('online');
  });
});

describe('a network that is said to be gone', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it('is doubted at once; a connection that answers stays', async () => {
    const { client, hub } = await opened();
    globalThis.dispatchEvent(new Event('offline'));
    expect(client.connection.doubted()).toBe(true);
    await settle();
    expect([client.connection.doubted(), client.connection.state(), hub.starts]).toEqual([false, 'online', 1]);
    await client.stop();
  });

  it('ends a connection that does not answer, and another one follows', async () => {
    const { client, hub } = await opened();
    hub.deaf = true;
    globalThis.dispatchEvent(new Event('offline'));
    await settle(4_000);
    expect([client.connection.doubted(), client.connection.state()]).toEqual([false, 'waiting']);
    hub.deaf = false;
    globalThis.dispatchEvent(new Event('online'));
    await settle();
    expect([client.connection.state(), hub.starts]).toEqual(['online', 2]);
    await client.stop();
  });
});
