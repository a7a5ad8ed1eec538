import { Message } from '../rts';
import { BubbleRow, rowsOf } from './rows';

const noon = new Date(2026, 5, 1, 12).getTime();
const at = (minutes: number, senderId = 'bob', seq = (noon + minutes * 60_000) * 1_000): Message => ({
  roomId: 'r', seq, version: seq, clientId: `c${seq}`, senderId, sentAt: '', body: 'x', attachments: [], deleted: false, reactions: [],
});
const shape = (messages: Message[], divider?: number): string =>
  rowsOf(messages, [], 'ann', divider)
    .map((row) => (row.kind === 'message' ? `${row.first ? '[' : ''}${row.mine ? 'a' : 'b'}${row.last ? ']' : ''}` : row.kind))
    .join(' ');

describe('rowsOf', () => {
  it('groups messages of one sender within five minutes', () => {
    expect(shape([at(0), at(1), at(2, 'ann'), at(3), at(9)])).toBe('day [b b] [a] [b] [b]');
  });

  it('separates days', () => {
    expect(shape([at(0), at(24 * 60), at(24 * 60 + 1)])).toBe('day [b] day [b b]');
  });

  it('puts the unread mark before the first unread message of others', () => {
    expect(shape([at(0), at(1, 'ann'), at(2), at(3)], at(0).seq)).toBe('day [b] [a] unread [b b]');
  });

  it('keeps the key of a message when it gets its seq', () => {
    const outgoing = { clientId: 'c1', roomId: 'r', body: 'x', attachments: [], createdAt: noon, state: 'sending' } as const;
    const before = rowsOf([], [outgoing], 'ann', undefined).at(-1) as BubbleRow;
    const after = rowsOf([{ ...at(0, 'ann'), clientId: 'c1' }], [], 'ann', undefined).at(-1) as BubbleRow;
    expect(before.key).toBe(after.key);
  });
});
