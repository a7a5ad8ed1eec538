import { Message } from '../rts';
import { Reading, isCovered, isPassedOver, unreadOf } from './reading';

const message = (seq: number, senderId = 'bob', deleted = false): Message => ({
  roomId: 'r', seq, version: seq, clientId: `c${seq}`, senderId, sentAt: '', body: 'x', attachments: [], deleted, reactions: [],
});
const reading = (more: Partial<Reading>): Reading => ({ shown: [], readSeq: 0, unreadCount: 0, atOldest: false, me: 'ann', ...more });
const shown = [message(11), message(12, 'ann'), message(13), message(14, 'bob', true), message(15)];

describe('reading', () => {
  it('counts messages of others that are not deleted', () => {
    expect(unreadOf(reading({ shown, readSeq: 11 })).map(({ seq }) => seq)).toEqual([13, 15]);
  });

  it('knows if there is something unread before the drawn messages', () => {
    expect(isCovered(reading({ shown, readSeq: 11, unreadCount: 2 }))).toBe(true);
    expect(isCovered(reading({ shown, readSeq: 5, unreadCount: 90 }))).toBe(false);
    expect(isCovered(reading({ shown, readSeq: 0, unreadCount: 3, atOldest: true }))).toBe(true);
    // Own messages do not move the mark: nothing else may be unread although the mark is far back.
    expect(isCovered(reading({ shown, readSeq: 5, unreadCount: 3 }))).toBe(true);
  });

  it('does not skip messages that were not visible', () => {
    expect(isPassedOver(reading({ shown, readSeq: 11, unreadCount: 2 }), 13)).toBe(false);
    expect(isPassedOver(reading({ shown, readSeq: 11, unreadCount: 2 }), 15)).toBe(true);
    expect(isPassedOver(reading({ shown, readSeq: 0, unreadCount: 90 }), 11)).toBe(true);
  });
});
