import { letterOf } from '../ui/keys';

/** A text and its selection. */
export interface Selected {
  text: string;
  from: number;
  to: number;
}

const MARKS: Readonly<Record<string, string>> = { b: '**', i: '*', e: '`', 'shift x': '~~' };

/** Returns the mark of a key with Ctrl or ⌘: B, I, E, and Shift+X. */
export function markOf(event: KeyboardEvent): string | undefined {
  const command = event.ctrlKey !== event.metaKey && !event.altKey;
  return command ? MARKS[(event.shiftKey ? 'shift ' : '') + letterOf(event)] : undefined;
}

/** Puts a mark around the selection, or removes it. Spaces at its ends stay outside, or they would break the mark. */
export function toggled({ text, from, to }: Selected, mark: string): Selected {
  const words = text.slice(from, to);
  const [start, end] = [from + (words.length - words.trimStart().length), to - (words.length - words.trimEnd().length)];
  if (start >= end) {
    return { text: text.slice(0, from) + mark + mark + text.slice(from), from: from + mark.length, to: from + mark.length };
  }
  const { length } = mark;
  const inside = text.slice(start, end);
  // A `*` inside `**` belongs to another mark.
  const alone = mark !== '*' || text[start - 2] !== '*' || text[end + 1] !== '*';
  if (alone && text.slice(start - length, start) === mark && text.slice(end, end + length) === mark) {
    return { text: text.slice(0, start - length) + inside + text.slice(end + length), from: start - length, to: end - length };
  }
  return { text: text.slice(0, start) + mark + inside + mark + text.slice(end), from: start + length, to: end + length };
}
