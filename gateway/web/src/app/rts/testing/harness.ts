import { Backoff } from '../backoff';
import { RtsClient } from '../client';
import { Room } from '../contract';
import { OutboxStorage } from '../outbox';
import { RtsRoom } from '../room';
import { FakeHub } from './fake-hub';
import { FakeServer } from './fake-server';

/** A client of `ann` on a scripted hub, in a room with `bob`, under fake timers. */
export interface Harness {
  server: FakeServer;
  hub: FakeHub;
  client: RtsClient;
  room: Room;
  view: () => RtsRoom;
}

export function harness(before: (server: FakeServer, room: Room) => void = () => undefined, outboxStorage?: OutboxStorage): Harness {
  const server = new FakeServer();
  server.person('ann', 'Ann');
  server.person('bob', '밥');
  const room = server.addRoom('direct', ['ann', 'bob']);
  before(server, room);
  const hub = new FakeHub(server, 'ann');
  const backoff = new Backoff(100, 1_000, () => 0);
  const client = new RtsClient(hub, { userId: 'ann', backoff, ...(outboxStorage ? { outboxStorage } : {}) });
  const view = (): RtsRoom => {
    const found = client.room(room.roomId);
    if (found === undefined) {
      throw new Error('The room is not known.');
    }
    return found;
  };
  return { server, hub, client, room, view };
}

/** Returns a started client that is in step, with the history of its room loaded. */
export async function opened(before?: (server: FakeServer, room: Room) => void): Promise<Harness> {
  const made = harness(before);
  made.client.start();
  await settle();
  await made.view().open();
  return made;
}

/** Advances the time, and runs what is due. */
export async function settle(ms = 0): Promise<void> {
  await vi.advanceTimersByTimeAsync(ms);
}

export const bodies = (room: RtsRoom): string[] => room.timeline.messages().map((message) => message.body);
