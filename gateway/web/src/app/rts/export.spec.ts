import { everyMessage, jsonLines } from './export';
import { Harness, opened, settle } from './testing/harness';

/** Returns a client that is in step, in a room of ten messages. */
const ten = (): Promise<Harness> =>
  opened((server, room) => {
    for (let n = 1; n <= 10; n += 1) {
      server.say(room.roomId, 'bob', n === 3 ? '두 줄\n"인용"' : `number ${n}`);
    }
  });

describe('an export', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it('yields every message in order, also of a range', async () => {
    const { view, client, room } = await ten();
    const all: string[] = [];
    for await (const message of view().messages()) {
      all.push(message.body);
    }
    expect([all.length, all[0], all.at(-1)]).toEqual([10, 'number 1', 'number 10']);
    const [, second, , fourth] = view().timeline.messages();
    const some: string[] = [];
    for await (const message of everyMessage(client.connection, room.roomId, second?.seq, fourth?.seq)) {
      some.push(message.body);
    }
    expect(some).toEqual(['number 2', '두 줄\n"인용"', 'number 4']);
  });

  it('continues after a lost connection, with no message missing or doubled', async () => {
    const { hub, view } = await ten();
    const seen: string[] = [];
    const reading = (async () => {
      for await (const message of view().messages()) {
        seen.push(message.body);
        if (seen.length === 4) {
          hub.drop();
        }
      }
    })();
    await settle(5_000);
    await reading;
    expect(seen).toEqual(Array.from({ length: 10 }, (_, index) => (index === 2 ? '두 줄\n"인용"' : `number ${index + 1}`)));
    const asked = hub.calls.filter(([method]) => (method as string) === 'StreamHistory').map(([, request]) => request['from']);
    expect(asked).toHaveLength(2);
    expect(asked[1]).toBeGreaterThan(0);
  });

  it('writes one JSON object per line, and ends when it is cancelled', async () => {
    const { view } = await ten();
    const counts: number[] = [];
    const file = await jsonLines(view().messages(), (count) => counts.push(count), new AbortController().signal);
    vi.useRealTimers();
    const text = await new Promise<string>((resolve) => {
      const reader = new FileReader();
      reader.onload = () => resolve(reader.result as string);
      reader.readAsText(file);
    });
    const lines = text.trimEnd().split('\n');
    expect(lines.map((line) => (JSON.parse(line) as { body: string }).body)[2]).toBe('두 줄\n"인용"');
    expect([lines.length, counts.at(-1)]).toEqual([10, 10]);

    const abort = new AbortController();
    abort.abort();
    await expect(jsonLines(view().messages(), () => undefined, abort.signal)).rejects.toThrow();
  });

  it('remembers a server that does not support it', async () => {
    const { hub, client, view } = await ten();
    hub.missing.add('StreamHistory' as never);
    await expect(view().messages().next()).rejects.toMatchObject({ code: 'unsupported' });
    expect(client.supports('StreamHistory')).toBe(false);
  });
});
