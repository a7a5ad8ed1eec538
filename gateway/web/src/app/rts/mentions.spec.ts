import fixture from '../../../../../common/fixtures/mentions.json';
import { mentionsIn } from './mentions';
import { spansOf } from './spans';

const mentioned = (text: string, isMember: (userId: string) => boolean): string[] => [...new Set(mentionsIn(text, isMember).map(({ userId }) => userId))];

describe('mentions', () => {
  for (const { text, mentions } of fixture.cases) {
    it(`match the server: ${JSON.stringify(text)}`, () => {
      expect(mentioned(text, (userId) => fixture.members.includes(userId))).toEqual(mentions);
    });
  }

  it('are found at their positions, and not in code', () => {
    const text = '👍 `@ann` @ann님, @eve@example.com';
    const found = mentionsIn(text, (userId) => fixture.members.includes(userId));
    expect(found.map(({ from, to }) => text.slice(from, to))).toEqual(['@ann', '@eve@example.com']);
  });

  it('are at most fifty users, with ids of at most 128 bytes', () => {
    const many = Array.from({ length: 100 }, (_, n) => `@u${n}`).join(' ');
    expect(mentioned(many, () => true).length).toBe(50);
    const longest = '가'.repeat(42);
    expect(mentioned(`@${longest} @${longest}가`, (userId) => userId.length >= 42)).toEqual([longest]);
  });

  it('are found quickly in any text', () => {
    const size = 16_384;
    const began = performance.now();
    for (const piece of ['@', '@.', '`@`', '`', '``` `` ', '(', 'a@', 'a.', 'www.', 'https://a(', '@가나', 'a'.repeat(60) + '@']) {
      const text = piece.repeat(size / piece.length);
      expect(spansOf(text).every(({ from, to }) => from < to && to <= text.length)).toBe(true);
      mentionsIn(text, () => false);
    }
    expect(performance.now() - began).toBeLessThan(2_000);
  });
});
