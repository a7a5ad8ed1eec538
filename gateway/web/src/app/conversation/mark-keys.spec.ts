import { markOf, toggled } from './mark-keys';

/** Parses a text whose selection is enclosed in bars. */
const at = (text: string): { text: string; from: number; to: number } => {
  const [before = '', inside = '', after = ''] = text.split('|');
  return { text: before + inside + after, from: before.length, to: before.length + inside.length };
};

describe('formatting keys', () => {
  it('apply one mark each, with Ctrl or ⌘', () => {
    const marks = (init: KeyboardEventInit): string | undefined => markOf(new KeyboardEvent('keydown', init));
    expect([marks({ key: 'b', ctrlKey: true }), marks({ key: 'i', metaKey: true }), marks({ key: 'X', ctrlKey: true, shiftKey: true })]).toEqual(['**', '*', '~~']);
    expect(marks({ key: 'ㅠ', code: 'KeyB', ctrlKey: true })).toBe('**');
    expect([marks({ key: 'b' }), marks({ key: 'x', ctrlKey: true }), marks({ key: 'b', ctrlKey: true, altKey: true })]).toEqual([undefined, undefined, undefined]);
  });

  it('put a mark around the selection, without its spaces, and remove it', () => {
    expect(toggled(at('a |b c |d'), '**')).toEqual(at('a **|b c|** d'));
    expect(toggled(at('a **|b c|** d'), '**')).toEqual(at('a |b c| d'));
    expect(toggled(at('**|b|**'), '*')).toEqual(at('***|b|***'));
    expect(toggled(at('a ||b'), '`')).toEqual(at('a `||`b'));
  });
});
