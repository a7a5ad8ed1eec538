import { complete, mentionAt, mentionable } from './mention';
import { isEmojiOnly, tokens } from './tokens';

const members = new Set(['ann', 'bob', 'b.o', '민수']);
const shape = (body: string): string => tokens(body, (id) => members.has(id)).map((t) => `${t.kind}:${t.text}`).join('|');

describe('tokens', () => {
  it('finds links without the full stop behind them', () => {
    expect(shape('see https://example.org/a?b=c. Yes')).toBe('text:see |link:https://example.org/a?b=c|text:. Yes');
  });

  it('finds mentions of members only', () => {
    expect(shape('@ann, ask @eve or @b.o.')).toBe('mention:@ann|text:, ask @eve or |mention:@b.o|text:.');
    expect(shape('@민수님 안녕')).toBe('mention:@민수|text:님 안녕');
    expect(shape('mail@ann')).toBe('text:mail@ann');
    expect(shape('@ann,@bob @ann님')).toBe('mention:@ann|text:,|mention:@bob|text: |mention:@ann|text:님');
    expect(shape('@annabel @ann_ @ann1')).toBe('text:@annabel @ann_ @ann1');
  });

  it('never makes markup or scripts of text', () => {
    expect(shape('<b>javascript:alert(1)</b>')).toBe('text:<b>javascript:alert(1)</b>');
  });

  it('knows emoji from text', () => {
    expect(['👍', '👨‍👩‍👧❤️', '안녕', '1', '👍👍👍👍', ''].map(isEmojiOnly)).toEqual([true, true, false, false, false, false]);
  });
});

describe('mentions in the composer', () => {
  const people = [
    { userId: 'bob', displayName: '김 밥', role: 'member' as const, readSeq: 0, deliveredSeq: 0 },
    { userId: 'ann', displayName: 'Ann', role: 'owner' as const, readSeq: 0, deliveredSeq: 0 },
  ];

  it('start at an @ after a blank and end at the caret', () => {
    expect(mentionAt('hi @bo there', 6)).toEqual({ from: 3, query: 'bo' });
    expect(mentionAt('mail@bo', 7)).toBeUndefined();
    expect(mentionAt('@', 1)).toEqual({ from: 0, query: '' });
  });

  it('are found by id and by any part of the name, never oneself', () => {
    expect(mentionable(people, '밥', 'ann').map((m) => m.userId)).toEqual(['bob']);
    expect(mentionable(people, 'an', 'ann')).toEqual([]);
  });

  it('replace what was typed', () => {
    expect(complete('hi @bo there', { from: 3, query: 'bo' }, 6, 'bob')).toEqual({ text: 'hi @bob  there', caret: 8 });
  });
});
