import { EMOJI_TABLE } from './emoji-table';

export interface Emoji {
  emoji: string;
  /** The name in `:name:`. */
  name: string;
  words: readonly string[];
  korean: string;
}
export type EmojiGroup = keyof typeof EMOJI_TABLE;

/** The table by group, parsed once. */
export const EMOJI_GROUPS: readonly { group: EmojiGroup; all: readonly Emoji[] }[] = Object.entries(EMOJI_TABLE).map(([group, table]) => ({
  group: group as EmojiGroup,
  all: table.split('|').map(parsed),
}));
const ALL = EMOJI_GROUPS.flatMap(({ all }) => all);

/** Returns the emoji without its variation selector, for comparison. */
export const folded = (emoji: string): string => emoji.replaceAll('\ufe0f', '');

const BY_SIGN = new Map(ALL.map((each) => [folded(each.emoji), each]));
const BY_NAME = new Map(ALL.map((each) => [each.name, each]));

export function emojiOf(sign: string): Emoji | undefined {
  return BY_SIGN.get(folded(sign));
}

export function emojiNamed(name: string): Emoji | undefined {
  return BY_NAME.get(name.toLowerCase());
}

/** Returns emoji whose names or words begin with each word of the query, in any language; best matches first. */
export function searchEmoji(query: string, most = 60): Emoji[] {
  const parts = query.toLowerCase().trim().split(/\s+/).filter(Boolean);
  if (parts.length === 0) {
    return [];
  }
  const rank = (each: Emoji): number => {
    const ranks = parts.map((part) => rankOf(each, part));
    return ranks.includes(0) ? 0 : Math.min(...ranks);
  };
  const ranked = ALL.map((each) => ({ each, rank: rank(each) })).filter(({ rank: value }) => value > 0);
  return ranked.sort((a, b) => b.rank - a.rank).slice(0, most).map(({ each }) => each);
}

function rankOf({ emoji, name, words, korean }: Emoji, part: string): number {
  if (name === part || folded(emoji) === folded(part)) {
    return 4;
  }
  if (name.startsWith(part)) {
    return 3;
  }
  if (words.some((word) => word.startsWith(part)) || korean.split(' ').some((word) => word.startsWith(part))) {
    return 2;
  }
  return name.split('_').some((word) => word.startsWith(part)) || (/[가-힣]/.test(part) && korean.includes(part)) ? 1 : 0;
}

function parsed(entry: string): Emoji {
  const [english = '', korean = ''] = entry.split('/');
  const [emoji = '', name = '', ...words] = english.split(' ');
  return { emoji, name, words, korean };
}

/** The start of a `:name:`, with the caret inside. */
export interface EmojiStart {
  from: number;
  query: string;
}

/** Finds a `:query` that ends at the caret. An emoticon of two characters, a time or an address is not a name. */
export function emojiAt(text: string, caret: number): EmojiStart | undefined {
  const query = /(?:^|[\s(]):([\p{L}\p{N}_+-]+)$/u.exec(text.slice(0, caret))?.[1];
  const enough = query !== undefined && (query.length > 1 || /[가-힣]/.test(query)) && !/^\d+$/.test(query);
  return enough ? { from: caret - query.length - 1, query } : undefined;
}

/** Returns the text with the name replaced that its colon has just closed, or nothing. */
export function closedName(text: string, caret: number): { text: string; caret: number } | undefined {
  const name = /(?:^|[\s(]):([a-z0-9_+-]{2,}):$/i.exec(text.slice(0, caret))?.[1];
  const found = name === undefined ? undefined : emojiNamed(name);
  return name === undefined || found === undefined ? undefined : replaced(text, caret - name.length - 2, caret, found.emoji);
}

/** Returns the text with a part replaced, and the new position of the caret. */
export function replaced(text: string, from: number, to: number, by: string): { text: string; caret: number } {
  return { text: text.slice(0, from) + by + text.slice(to), caret: from + by.length };
}
