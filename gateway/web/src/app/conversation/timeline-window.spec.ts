import { signal } from '@angular/core';
import { RtsRoom } from '../rts';
import { Harness, opened, settle } from '../rts/testing/harness';
import { TimelineWindow } from './timeline-window';

describe('TimelineWindow', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  async function of(count: number): Promise<Harness & { window: TimelineWindow; numbers: () => number[] }> {
    const made = await opened((server, room) => {
      for (let n = 1; n <= count; n += 1) {
        server.say(room.roomId, 'bob', String(n));
      }
    });
    const window = new TimelineWindow(signal<RtsRoom>(made.view()));
    return { ...made, window, numbers: () => window.shown().map((message) => Number(message.body)) };
  }
  const range = (from: number, to: number): number[] => Array.from({ length: to - from + 1 }, (_, index) => from + index);

  it('follows the newest message', async () => {
    const { server, room, window, numbers } = await of(3);
    server.say(room.roomId, 'bob', '4');
    expect(numbers()).toEqual([1, 2, 3, 4]);
    expect([window.atNewest(), window.atOldest()]).toEqual([true, true]);
  });

  it('goes back to the first message and forward again without a hole, within its limit', async () => {
    const { window, numbers } = await of(1_000);
    const seen = new Set(numbers());
    const check = (): void => {
      const shown = numbers();
      expect(shown).toEqual(range(shown[0]!, shown.at(-1)!));
      expect(shown.length).toBeLessThanOrEqual(240);
      shown.forEach((n) => seen.add(n));
    };
    for (let steps = 0; !window.atOldest() && steps < 100; steps += 1) {
      await window.back();
      check();
    }
    expect(seen.size).toBe(1_000);
    expect(numbers()[0]).toBe(1);
    for (let steps = 0; !window.atNewest() && steps < 100; steps += 1) {
      await window.forward();
      check();
    }
    expect(numbers().at(-1)).toBe(1_000);
  });

  it('stays in place while messages arrive, once pinned', async () => {
    const { server, room, window, numbers } = await of(200);
    window.pin();
    const first = numbers()[0];
    for (let n = 201; n <= 230; n += 1) {
      server.say(room.roomId, 'bob', String(n));
    }
    expect(numbers()[0]).toBe(first);
    expect(numbers().at(-1)).toBe(230);
  });

  it('returns from far in the past page by page', async () => {
    const { server, room, view, window, numbers } = await of(500);
    const target = server.history(room.roomId, Infinity, 0, 500).messages[99]!;
    await view().history.around(target.seq);
    window.around(target.seq);
    expect(numbers()).toContain(100);
    expect(window.atNewest()).toBe(false);
    for (let steps = 0; !window.atNewest() && steps < 50; steps += 1) {
      await window.forward();
    }
    await settle();
    expect(numbers().at(-1)).toBe(500);
  });
});
