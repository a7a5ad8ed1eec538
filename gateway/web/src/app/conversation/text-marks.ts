import { Token, tokens } from './tokens';

/** A part of a line: plain text, a link, a mention, code, or marked text. */
export type Span = Token | { kind: 'code'; text: string } | { kind: Mark; spans: Span[] };
export type Mark = 'strong' | 'emphasis' | 'strike';

export interface ListItem {
  /** The number as written, so that the list shows what is stored. */
  number?: number;
  level: number;
  spans: Span[];
}

/** A part of a message, from top to bottom. */
export type Block =
  | { kind: 'text'; spans: Span[] }
  | { kind: 'code'; language: string; text: string }
  | { kind: 'quote'; blocks: Block[] }
  | { kind: 'list'; ordered: boolean; items: ListItem[] };

type IsMember = (userId: string) => boolean;

const MARKS: Readonly<Record<string, Mark>> = { '**': 'strong', '*': 'emphasis', _: 'emphasis', '~~': 'strike' };
const FENCE = /^ {0,3}```([^`]*)$/;
/** Not every `>` is a quote: `>_<` is an emoticon. */
const QUOTE = /^ {0,3}> ?/;
const QUOTE_START = /^ {0,3}> /;
/** At most two digits: `2026.` begins a date. */
const ITEM = /^( {0,8})(?:[-*•]|(\d{1,2})[.)]) +(?=\S)/;
const LEVEL_MAX = 2;

/**
 * Parses the marks in a text: fenced and inline code, `**bold**`, `*italic*` or `_italic_`, `~~struck~~`, lists and
 * quotes. Deliberately absent: headings, images, links with their own text, and marks that span lines.
 */
export function blocksOf(body: string, isMember: IsMember): Block[] {
  return read(body.split('\n'), isMember, true);
}

/** Returns the text without marks and with names, on one line, for previews. */
export function unmarked(body: string, isMember: IsMember = () => false, name = (userId: string): string => userId): string {
  const text = (span: Span): string => ('spans' in span ? flat(span.spans) : span.kind === 'mention' ? `@${name(span.userId)}` : span.text);
  const flat = (spans: readonly Span[]): string => spans.map(text).join('');
  const words = (blocks: readonly Block[]): string[] =>
    blocks.flatMap((block) => {
      switch (block.kind) {
        case 'text':
          return [flat(block.spans)];
        case 'code':
          return [block.text];
        case 'quote':
          return words(block.blocks);
        case 'list':
          return block.items.map(({ number, spans }) => `${number === undefined ? '•' : `${number}.`} ${flat(spans)}`);
      }
    });
  return words(blocksOf(body, isMember)).join(' ').replace(/\s+/g, ' ').trim();
}

function read(lines: readonly string[], isMember: IsMember, quotes: boolean): Block[] {
  const blocks: Block[] = [];
  let plain: string[] = [];
  const flush = (last = false): void => {
    const text = trimLines(plain, blocks.length > 0, !last);
    if (text.length > 0) {
      blocks.push({ kind: 'text', spans: joined(text.flatMap((line, index) => [...(index > 0 ? [newline()] : []), ...spansOf(line, isMember)])) });
    }
    plain = [];
  };
  for (let at = 0; at < lines.length; ) {
    const found = fenced(lines, at) ?? listed(lines, at, isMember) ?? (quotes ? quoted(lines, at, isMember) : undefined);
    if (found === undefined) {
      plain.push(lines[at] ?? '');
      at += 1;
    } else {
      flush();
      blocks.push(found.block);
      at = found.next;
    }
  }
  flush(true);
  return blocks;
}

interface Found {
  block: Block;
  /** Index of the line after it. */
  next: number;
}

/**
 * Finds code between fences; without a closing fence it is not code. The closing fence may end the last line of code.
 */
function fenced(lines: readonly string[], at: number): Found | undefined {
  const info = FENCE.exec(lines[at] ?? '')?.[1];
  if (info === undefined) {
    return undefined;
  }
  const end = lines.findIndex((line, index) => index > at && line.trimEnd().endsWith('```'));
  if (end < 0) {
    return undefined;
  }
  const last = (lines[end] ?? '').trimEnd().slice(0, -3);
  const named = /^[\w+#.-]*$/.test(info.trim());
  const code = [...(named ? [] : [info]), ...lines.slice(at + 1, end), ...(last.trim() === '' ? [] : [last])];
  return { block: { kind: 'code', language: named ? info.trim() : '', text: code.join('\n') }, next: end + 1 };
}

function quoted(lines: readonly string[], at: number, isMember: IsMember): Found | undefined {
  if (!QUOTE_START.test(lines[at] ?? '')) {
    return undefined;
  }
  const next = end(lines, at, (line) => QUOTE_START.test(line) || line.trim() === '>');
  const inner = lines.slice(at, next).map((line) => line.replace(QUOTE, ''));
  return { block: { kind: 'quote', blocks: read(inner, isMember, false) }, next };
}

function listed(lines: readonly string[], at: number, isMember: IsMember): Found | undefined {
  const first = ITEM.exec(lines[at] ?? '');
  if (first === null) {
    return undefined;
  }
  const ordered = first[2] !== undefined;
  const next = end(lines, at, (line) => {
    const item = ITEM.exec(line);
    return item !== null && (item[2] !== undefined) === ordered;
  });
  const items = lines.slice(at, next).map((line): ListItem => {
    const [whole = '', indent = '', number] = ITEM.exec(line) ?? [];
    const level = Math.min(LEVEL_MAX, Math.floor(indent.length / 2));
    return { level, spans: spansOf(line.slice(whole.length), isMember), ...(number === undefined ? {} : { number: Number(number) }) };
  });
  return { block: { kind: 'list', ordered, items }, next };
}

function end(lines: readonly string[], at: number, goesOn: (line: string) => boolean): number {
  const stop = lines.findIndex((line, index) => index > at && !goesOn(line));
  return stop < 0 ? lines.length : stop;
}

/** Removes the empty lines next to another block, which has a margin already. */
function trimLines(lines: readonly string[], atStart: boolean, atEnd: boolean): readonly string[] {
  let [from, to] = [0, lines.length];
  while (atStart && from < to && lines[from]?.trim() === '') {
    from += 1;
  }
  while (atEnd && to > from && lines[to - 1]?.trim() === '') {
    to -= 1;
  }
  return lines.slice(from, to);
}

const newline = (): Span => ({ kind: 'text', text: '\n' });

/** A run of mark characters and its neighbours. */
interface Run {
  kind: 'run';
  text: string;
  opens: boolean;
  closes: boolean;
}
type Leaf = Token | { kind: 'code'; text: string };
type Piece = Leaf | Run;

function spansOf(line: string, isMember: IsMember): Span[] {
  return joined(nest(piecesOf(line, isMember), new Set()));
}

/** Splits off code and links before the marks are parsed, so that an address keeps its underscores. */
function piecesOf(line: string, isMember: IsMember): Piece[] {
  const leaves: Leaf[] = [];
  let from = 0;
  for (const match of line.matchAll(/(?<!`)(`+)(?!`)(.*?[^`])\1(?!`)/g)) {
    leaves.push(...linked(line.slice(from, match.index), isMember), { kind: 'code', text: match[2] ?? '' });
    from = match.index + match[0].length;
  }
  leaves.push(...linked(line.slice(from), isMember));
  const whole = leaves.map((leaf) => leaf.text).join('');
  const pieces: Piece[] = [];
  let at = 0;
  for (const leaf of leaves) {
    pieces.push(...(leaf.kind === 'text' ? runsOf(leaf.text, at, whole) : [leaf]));
    at += leaf.text.length;
  }
  return pieces;
}

/** Finds links and mentions; marks after an address are not part of it. */
function linked(text: string, isMember: IsMember): Token[] {
  return tokens(text, isMember).flatMap((token) => {
    const tail = token.kind === 'link' ? (/[*_~]+$/.exec(token.text)?.[0] ?? '') : '';
    return tail === '' ? [token] : [...linked(token.text.slice(0, -tail.length), isMember), { kind: 'text' as const, text: tail }];
  });
}

function runsOf(text: string, at: number, whole: string): Piece[] {
  const pieces: Piece[] = [];
  let from = 0;
  for (const match of text.matchAll(/\*+|_+|~+/g)) {
    if (match.index > from) {
      pieces.push({ kind: 'text', text: text.slice(from, match.index) });
    }
    from = match.index + match[0].length;
    pieces.push(...runs(match[0], whole.slice(Math.max(0, at + match.index - 2), at + match.index), whole.slice(at + from, at + from + 2)));
  }
  if (from < text.length) {
    pieces.push({ kind: 'text', text: text.slice(from) });
  }
  return pieces;
}

/**
 * Finds runs. Whether a run opens or closes depends on its neighbours: `2 * 3` and `snake_case` contain no marks, and
 * Korean particles directly follow a mark.
 */
function runs(text: string, before: string, after: string): Run[] {
  const opens = /^\S/.test(after) && !/[\p{L}\p{N}]$/u.test(before);
  const closes = /\S$/.test(before) && (!/^[\p{L}\p{N}]/u.test(after) || /^[\u1100-\uffff]/.test(after));
  const parts = text === '***' ? (opens ? ['**', '*'] : ['*', '**']) : [text];
  return parts.map((part) => ({ kind: 'run', text: part, opens, closes }));
}

/** Pairs runs from the left, around some content. A pair contains none of its own kind, which bounds the depth. */
function nest(pieces: readonly Piece[], open: ReadonlySet<Mark>): Span[] {
  const spans: Span[] = [];
  const unpaired = new Set<string>();
  for (let at = 0; at < pieces.length; at += 1) {
    const piece = pieces[at];
    if (piece === undefined) {
      break;
    }
    if (piece.kind !== 'run') {
      spans.push(piece);
      continue;
    }
    const mark = MARKS[piece.text];
    const may = mark !== undefined && piece.opens && !open.has(mark) && !unpaired.has(piece.text);
    const close = may ? closing(pieces, at + 2, piece.text) : -1;
    if (mark !== undefined && close > 0) {
      spans.push({ kind: mark, spans: joined(nest(pieces.slice(at + 1, close), new Set([...open, mark]))) });
      at = close;
    } else {
      if (may) {
        unpaired.add(piece.text);
      }
      spans.push({ kind: 'text', text: piece.text });
    }
  }
  return spans;
}

function closing(pieces: readonly Piece[], from: number, text: string): number {
  for (let at = from; at < pieces.length; at += 1) {
    const piece = pieces[at];
    if (piece?.kind === 'run' && piece.closes && piece.text === text) {
      return pieces.slice(from - 1, at).some(({ kind }) => kind !== 'run') ? at : -1;
    }
  }
  return -1;
}

/** Joins neighbouring texts. */
function joined(spans: readonly Span[]): Span[] {
  const all: Span[] = [];
  for (const span of spans) {
    const last = all.at(-1);
    if (span.kind === 'text' && last?.kind === 'text') {
      all[all.length - 1] = { kind: 'text', text: last.text + span.text };
    } else {
      all.push(span);
    }
  }
  return all;
}
