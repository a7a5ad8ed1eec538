import { withNames } from '../rts';
import { complete, mentionAt, mentionable, toIds, toNames } from './mention';
import { isEmojiOnly, languageOf, tokens } from './tokens';

const members = new Set(['ann', 'bob', 'b.o', '민수']);
const shape = (body: string): string => tokens(body, (id) => members.has(id)).map((t) => `${t.kind}:${t.text}`).join('|');

describe('tokens', () => {
  it('finds links without the full stop after them', () => {
    expect(shape('see https://example.org/a?b=c. Yes')).toBe('text:see |link:https://example.org/a?b=c|text:. Yes');
  });

  it('keeps brackets that a link opens, and leaves those around it', () => {
    expect(shape('(https://ko.wikipedia.org/wiki/서울_(영화))')).toBe('text:(|link:https://ko.wikipedia.org/wiki/서울_(영화)|text:)');
    expect(shape('[a](https://example.org/a[1])!')).toBe('text:[a](|link:https://example.org/a[1]|text:)!');
    expect(shape('**https://example.org/a**, _www.example.org_')).toBe('text:**|link:https://example.org/a|text:**, _|link:www.example.org|text:_');
  });

  it('ends links before particles and full-width punctuation, and keeps Korean paths', () => {
    for (const [text, link] of [
      ['https://example.org를 보세요', 'https://example.org'],
      ['https://example.org/에서 봐요', 'https://example.org/'],
      ['https://example.org/a.html입니다.', 'https://example.org/a.html'],
      ['https://example.org/a.까지는', 'https://example.org/a.까지는'],
      ['여기https://example.org/b(1)에서는 돼요', 'https://example.org/b(1)'],
      ['https://example.org/a。끝', 'https://example.org/a'],
      ['「https://example.org/a」와', 'https://example.org/a'],
      ['https://example.org/문서/서울의 봄', 'https://example.org/문서/서울의'],
      ['https://ko.wiktionary.org/wiki/가', 'https://ko.wiktionary.org/wiki/가'],
      ['https://example.org/?q=나', 'https://example.org/?q=나'],
      ['https://한국.kr/길', 'https://한국.kr/길'],
      ['HTTPS://EXAMPLE.ORG/A, ja', 'HTTPS://EXAMPLE.ORG/A'],
    ] as const) {
      expect(tokens(text, () => false).flatMap((token) => (token.kind === 'link' ? [token.text] : [])), text).toEqual([link]);
    }
  });

  it('finds addresses without a scheme, and e-mail addresses', () => {
    const hrefs = (body: string): string[] => tokens(body, () => false).flatMap((token) => (token.kind === 'link' ? [token.href] : []));
    expect(hrefs('www.example.org, WWW.example.org/a www.no')).toEqual(['https://www.example.org', 'https://WWW.example.org/a']);
    expect(hrefs('first.last+x@example.co.kr로 josé@example.org x@y')).toEqual(['mailto:first.last+x@example.co.kr']);
  });

  it('makes no link of what looks like another address', () => {
    for (const text of ['https://bank.example@evil.example/', 'https://evil.example/\u202Egnp.knab', 'http://a:b@evil.example']) {
      expect(tokens(text, () => false).every(({ kind }) => kind === 'text'), text).toBe(true);
    }
    expect(shape('https://bank.example/@ann')).toBe('link:https://bank.example/@ann');
  });

  it('finds nothing in code', () => {
    expect(shape('`https://example.org @ann` @ann')).toBe('text:`https://example.org @ann` |mention:@ann');
  });

  it('finds mentions of members only', () => {
    expect(shape('@ann, ask @eve or @b.o.')).toBe('mention:@ann|text:, ask @eve or |mention:@b.o|text:.');
    expect(shape('@민수님 안녕')).toBe('mention:@민수|text:님 안녕');
    expect(shape('mail@ann')).toBe('text:mail@ann');
    expect(shape('@ann,@bob @ann님')).toBe('mention:@ann|text:,|mention:@bob|text: |mention:@ann|text:님');
    expect(shape('@annabel @ann_ @ann1')).toBe('text:@annabel @ann_ @ann1');
  });

  it('never turns text into markup or scripts', () => {
    expect(shape('<b>javascript:alert(1)</b>')).toBe('text:<b>javascript:alert(1)</b>');
  });

  it('tells emoji from text', () => {
    for (const emoji of ['👍', '👨‍👩‍👧❤️', '🇰🇷', '🇰🇷🇺🇸🇩🇪', '1️⃣', '#️⃣*️⃣', '🏴󠁧󠁢󠁳󠁣󠁴󠁿', '👋🏽', '👍 👍\n', '☺️']) {
      expect(isEmojiOnly(emoji), emoji).toBe(true);
    }
    for (const text of ['안녕', '1', '12', '#', '©', '👍👍👍👍', '👍!', '', ' ', '🇰', '👍'.repeat(5_000)]) {
      expect(isEmojiOnly(text), text).toBe(false);
    }
  });

  it('reads out mentions by name', () => {
    const name = (userId: string): string => ({ ann: 'Ann Miller', 민수: '김민수' })[userId] ?? userId;
    expect(withNames('@ann, @민수님 `@ann` @eve', (id) => members.has(id), name)).toBe('@Ann Miller, @김민수님 `@ann` @eve');
  });

  it('detects the language of a text by its script', () => {
    expect(['안녕 world', 'hello', '漢字とかな', '漢字', '한자 漢字', 'שלום'].map(languageOf)).toEqual(['ko', '', 'ja', 'zh', 'ko', '']);
  });
});

describe('names in the composer', () => {
  const names: Record<string, string> = { ann: 'Ann Miller', bob: 'Kim', 'b.o': 'Kim', 민수: '김민수', eve: 'C++ (x)' };
  const name = (userId: string): string => names[userId] ?? userId;
  const isMember = (userId: string): boolean => userId in names;
  const picked = new Map([['Ann Miller', 'ann'], ['Kim', 'bob'], ['김민수', '민수'], ['C++ (x)', 'eve'], ['Ann', 'annie']]);

  it('are sent as ids', () => {
    expect(toIds('hi @Ann Miller, @김민수님 @C++ (x)!', picked)).toBe('hi @ann, @민수님 @eve!');
    expect(toIds('@Ann: @Kimchi, x@Kim', picked)).toBe('@annie: @Kimchi, x@Kim');
    expect(toIds('@Ann Miller', new Map())).toBe('@Ann Miller');
  });

  it('are shown for ids, unless two members have the same name', () => {
    expect(toNames('@ann, @민수님 `@ann`', isMember, name).text).toBe('@Ann Miller, @김민수님 `@ann`');
    expect(toNames('@bob @b.o @bob', isMember, name).text).toBe('@Kim @b.o @Kim');
  });

  it('always turn back into the original text', () => {
    for (const body of ['@ann @bob', '@Kim and @bob', 'mail x@ann', '@Ann Miller is not @ann', '@annx @ann', '@eve C++ (x) @b.o.', '@bob정 @민수민수']) {
      const shown = toNames(body, isMember, name);
      expect(toIds(shown.text, shown.picked), body).toBe(body);
    }
  });
});

describe('mentions in the composer', () => {
  const people = [
    { userId: 'bob', displayName: '김 밥', role: 'member' as const, readSeq: 0, deliveredSeq: 0 },
    { userId: 'ann', displayName: 'Ann', role: 'owner' as const, readSeq: 0, deliveredSeq: 0 },
  ];

  it('start at an @ after a space and end at the caret', () => {
    expect(mentionAt('hi @bo there', 6)).toEqual({ from: 3, query: 'bo' });
    expect(mentionAt('mail@bo', 7)).toBeUndefined();
    expect(mentionAt('@', 1)).toEqual({ from: 0, query: '' });
  });

  it('are found by id and by any part of the name, and leave the user out', () => {
    expect(mentionable(people, '밥', 'ann').map((m) => m.userId)).toEqual(['bob']);
    expect(mentionable(people, 'an', 'ann')).toEqual([]);
  });

  it('replace the typed query', () => {
    expect(complete('hi @bo there', { from: 3, query: 'bo' }, 6, 'bob')).toEqual({ text: 'hi @bob  there', caret: 8 });
  });
});
