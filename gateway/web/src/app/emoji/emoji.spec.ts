import { EMOJI_GROUPS, closedName, emojiAt, emojiNamed, emojiOf, searchEmoji } from './emoji';

const all = EMOJI_GROUPS.flatMap((group) => group.all);
const found = (query: string): string[] => searchEmoji(query).map(({ emoji }) => emoji);

describe('the emoji table', () => {
  it('names each emoji once, in both languages', () => {
    expect(all.length).toBeGreaterThan(300);
    expect(new Set(all.map(({ name }) => name)).size).toBe(all.length);
    expect(new Set(all.map(({ emoji }) => emoji)).size).toBe(all.length);
    expect(all.filter(({ emoji, name, korean }) => !/\p{Extended_Pictographic}|\p{Regional_Indicator}|\u20e3/u.test(emoji) || !/^[a-z0-9_]+$/.test(name) || !/^[가-힣 ]+$/.test(korean))).toEqual([]);
  });

  it('holds single emoji only, as the server requires of a reaction', () => {
    expect(all.filter(({ emoji }) => [...new Intl.Segmenter().segment(emoji)].length !== 1)).toEqual([]);
  });
});

describe('search', () => {
  it('finds by name, word and Korean, best matches first', () => {
    expect(found('tada')[0]).toBe('🎉');
    expect(found('congrat')).toContain('🎉');
    expect(found('축하')[0]).toBe('🥳');
    expect(found('축하')).toContain('🎉');
    expect(found('heart')[0]).toBe('❤️');
    expect(found('red fla')).toEqual(['🚩']);
  });

  it('finds nothing for an empty query', () => {
    expect(found('')).toEqual([]);
    expect(found('qqq')).toEqual([]);
  });

  it('finds an emoji by its plain form too', () => {
    expect(emojiOf('\u2764')?.emoji).toBe('\u2764\ufe0f');
    expect(emojiNamed('TADA')?.emoji).toBe('🎉');
  });
});

describe('names in the composer', () => {
  it('begin after a space, with two characters or one Korean syllable', () => {
    expect(emojiAt('hi :ta', 6)).toEqual({ from: 3, query: 'ta' });
    expect(emojiAt(':불', 2)).toEqual({ from: 0, query: '불' });
    for (const text of [':D', ':)', 'at 10:30', 'https://a', 'a :10', ': ta', '::']) {
      expect(emojiAt(text, text.length)).toBeUndefined();
    }
  });

  it('become emoji when closed', () => {
    expect(closedName('ok :tada: x', 9)).toEqual({ text: 'ok 🎉 x', caret: 5 });
    expect(closedName('ok :tada: x', 11)).toBeUndefined();
    expect(closedName(':nonsense:', 10)).toBeUndefined();
    expect(closedName('a:tada:', 7)).toBeUndefined();
  });
});
