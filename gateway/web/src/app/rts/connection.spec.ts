import { Outgoing, OutboxStorage } from './outbox';
import { bodies, harness, opened, settle } from './testing/harness';

describe('a sign-in that has ended', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it('is not a lost connection: no retries until the user signs in again, then everything resumes', async () => {
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

  it('ends when it is revoked', async () => {
    const { client, hub } = await opened();
    hub.drop('Server returned an error on close: Access was revoked.');
    await settle(60_000);
    expect([client.connection.state(), hub.starts]).toEqual(['refused', 1]);
  });

  it('does not restart when the network comes back', async () => {
    const { client, hub } = await opened();
    hub.refuseTokens = true;
    hub.drop();
    await settle(1_000);
    globalThis.dispatchEvent(new Event('online'));
    await settle(60_000);
    expect([client.connection.state(), hub.starts]).toEqual(['refused', 2]);
  });

  it('reports too many connections, and retries with growing waits', async () => {
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

  it('survives an expired token: the next connection uses a new one', async () => {
    const { client, hub } = await opened();
    hub.drop('Server returned an error on close: Token expired.');
    await settle(1_000);
    expect(client.connection.state()).toBe('online');
  });
});

describe('a network that is reported lost', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it('is checked at once; a connection that answers stays', async () => {
    const { client, hub } = await opened();
    globalThis.dispatchEvent(new Event('offline'));
    expect(client.connection.doubted()).toBe(true);
    await settle();
    expect([client.connection.doubted(), client.connection.state(), hub.starts]).toEqual([false, 'online', 1]);
    await client.stop();
  });

  it('closes a connection that does not answer, and opens another one', async () => {
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
