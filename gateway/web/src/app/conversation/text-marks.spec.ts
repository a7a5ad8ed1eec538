import { Block, Span, blocksOf, unmarked } from './text-marks';

const members = new Set(['bob', 'snake_case']);
const TAGS: Record<string, string> = { strong: 'b', emphasis: 'i', strike: 's' };

const line = (spans: readonly Span[]): string =>
  spans
    .map((span) => {
      const tag = TAGS[span.kind] ?? span.kind;
      return span.kind === 'text' ? span.text : `<${tag}>${'spans' in span ? line(span.spans) : span.text}</${tag}>`;
    })
    .join('');

function drawn(blocks: readonly Block[]): string {
  return blocks
    .map((block) => {
      switch (block.kind) {
        case 'text':
          return line(block.spans);
        case 'code':
          return `[code ${block.language}|${block.text}]`;
        case 'quote':
          return `[quote ${drawn(block.blocks)}]`;
        case 'list':
          return `[${block.ordered ? 'ol' : 'ul'} ${block.items.map((item) => `${item.number ?? ''}/${item.level}:${line(item.spans)}`).join(' ')}]`;
      }
    })
    .join('');
}

const shape = (body: string): string => drawn(blocksOf(body, (id) => members.has(id)));

describe('inline marks', () => {
  it('are bold, italic, struck, and nested', () => {
    expect(shape('**a b** *c* _d_ ~~e~~')).toBe('<b>a b</b> <i>c</i> <i>d</i> <s>e</s>');
    expect(shape('**a *b* c** ***d***')).toBe('<b>a <i>b</i> c</b> <b><i>d</i></b>');
  });

  it('may be followed by Korean particles', () => {
    expect(shape('**굵게**는 `코드`를 ~~취소~~했다')).toBe('<b>굵게</b>는 <code>코드</code>를 <s>취소</s>했다');
  });

  it('leave sums, names, emoticons and drawn-out words alone', () => {
    for (const text of ['2 * 3 * 4', '2*3*4', 'snake_case_name', '__init__', '네~~ 알겠어요~~', '아~~진짜~~', '** a **', '*_*', '****', '~5~', 'a ` b']) {
      expect(shape(text)).toBe(text);
    }
  });

  it('do not span lines', () => {
    expect(shape('*a\nb*')).toBe('*a\nb*');
  });

  it('do not reach into code, addresses and ids', () => {
    expect(shape('`**a** @bob` **`b*c`**')).toBe('<code>**a** @bob</code> <b><code>b*c</code></b>');
    expect(shape('https://example.org/a_b_c/*x* _y_')).toBe('<link>https://example.org/a_b_c/*x</link>* <i>y</i>');
    expect(shape('**https://example.org/x.** ~~@snake_case~~')).toBe('<b><link>https://example.org/x</link>.</b> <s><mention>@snake_case</mention></s>');
  });

  it('include code in several backticks', () => {
    expect(shape('``a ` b`` ```c``` ``d`')).toBe('<code>a ` b</code> <code>c</code> ``d`');
  });

  it('are parsed in time, even in a message full of them', () => {
    const started = performance.now();
    for (const part of ['*a ', '*a* ', '**a *b', '` ', '`a', '~~_*', '> ', '- a\n', '```\n']) {
      expect(shape(part.repeat(16_384 / part.length)).length).toBeGreaterThan(0);
    }
    expect(performance.now() - started).toBeLessThan(2_000);
  });
});

describe('blocks', () => {
  it('are fenced code with its language, and no marks inside', () => {
    expect(shape('see\n\n```ts\nconst a = **1**;\n\n  b();\n```\n\nso')).toBe('see[code ts|const a = **1**;\n\n  b();]so');
    expect(shape('```\na\nb```')).toBe('[code |a\nb]');
    expect(shape('```let it be\n```')).toBe('[code |let it be]');
  });

  it('are not code without a closing fence', () => {
    expect(shape('```js\nlet a')).toBe('```js\nlet a');
  });

  it('are quotes, but not emoticons', () => {
    expect(shape('> *a*\n>\n> - b\nc')).toBe('[quote <i>a</i>[ul /0:b]]c');
    expect(shape('>_< ok')).toBe('>_< ok');
  });

  it('are lists with the numbers as written; a year is not a list', () => {
    expect(shape('do:\n- a\n  - **b**\n• c')).toBe('do:[ul /0:a /1:<b>b</b> /0:c]');
    expect(shape('3. a\n7) b')).toBe('[ol 3/0:a 7/0:b]');
    expect(shape('2026. 11. 27. 회의')).toBe('2026. 11. 27. 회의');
    expect(shape('-5 degrees')).toBe('-5 degrees');
  });

  it('become plain words on one line', () => {
    expect(unmarked('**a** `b*`\n\n> ~~c~~\n1. d\n- e\n```js\nf(\n  g);\n```')).toBe('a b* c 1. d • e f( g);');
    expect(unmarked('plain @bob 2*3')).toBe('plain @bob 2*3');
    expect(unmarked('**@bob** and @ann', (userId) => userId === 'bob', () => 'Bob *the* Builder')).toBe('@Bob *the* Builder and @ann');
  });

  it('keep the lines of plain text as they are', () => {
    expect(blocksOf('a\n\n  b\n', () => false)).toEqual([{ kind: 'text', spans: [{ kind: 'text', text: 'a\n\n  b\n' }] }]);
    expect(blocksOf('', () => false)).toEqual([{ kind: 'text', spans: [] }]);
  });
});
