import { Message } from './contract';
import { Timeline } from './timeline';

const message = (seq: number, body = `m${seq}`, version = seq): Message => ({
  roomId: 'r', seq, version, clientId: `c${seq}`, senderId: 'bob', sentAt: '', body, attachments: [], deleted: false, reactions: [],
});
const page = (from: number, to: number): Message[] => Array.from({ length: to - from + 1 }, (_, n) => message(from + n));
const seqs = (timeline: Timeline): number[] => timeline.messages().map((m) => m.seq);

describe('Timeline', () => {
  it('merges pages and live messages, each seq once, in the newer version', () => {
    const timeline = new Timeline();
    timeline.replaceNewest(page(10, 12), true);
    timeline.put(message(13));
    timeline.put(message(13));
    timeline.put(message(11, 'edited', 14));
    timeline.prepend(page(7, 11), false);
    expect(seqs(timeline)).toEqual([7, 8, 9, 10, 11, 12, 13]);
    expect(timeline.find(11)?.body).toBe('edited');
    expect(timeline.hasOlder()).toBe(false);
  });

  it('keeps messages that arrive while a page is read', () => {
    const timeline = new Timeline();
    timeline.beginReading();
    timeline.put(message(4));
    timeline.put(message(2, 'edited', 5));
    timeline.replaceNewest(page(1, 3), false);
    expect(seqs(timeline)).toEqual([1, 2, 3, 4]);
    expect(timeline.find(2)?.body).toBe('edited');
  });

  it('keeps messages that arrive while a shown window is read again', () => {
    const timeline = new Timeline();
    timeline.replaceNewest(page(1, 3), false);
    timeline.beginReading();
    timeline.put(message(9));
    timeline.replaceNewest(page(6, 8), true);
    expect(seqs(timeline)).toEqual([6, 7, 8, 9]);
  });

  it('keeps live messages out of a window in the past until it is back at the newest', () => {
    const timeline = new Timeline();
    timeline.replaceNewest(page(90, 99), true);
    timeline.replaceAround(page(10, 20), true, true);
    timeline.put(message(100));
    expect(seqs(timeline).at(-1)).toBe(20);
    expect(timeline.atNewest()).toBe(false);
    timeline.append(page(21, 60), true);
    timeline.append(page(61, 99), false);
    expect(seqs(timeline)).toEqual(page(10, 100).map((m) => m.seq));
    expect(timeline.atNewest()).toBe(true);
  });

  it('does not put an old message into a window that does not reach it', () => {
    const timeline = new Timeline();
    timeline.replaceNewest(page(50, 60), true);
    timeline.put(message(7, 'edited', 70));
    expect(seqs(timeline)[0]).toBe(50);
  });
});
