import { Span, isInside, spansOf } from './spans';

/** An `@` and the id of a member, with its position in the text. */
export interface Mention {
  from: number;
  to: number;
  userId: string;
}

/** The server's limits: bytes of an id, ids looked up per text, and users mentioned per text. */
const ID_BYTES_MAX = 128;
const CANDIDATES_MAX = 1_000;
const MENTIONS_MAX = 50;

const ALPHANUMERIC = /[\p{Alphabetic}\p{N}]/u;
const BLANK = /[\p{White_Space}\p{Cc}]/u;

/**
 * Finds the mentions in a text by the server's rule (`rooms/mentions.rs`): an `@` with no letter or digit before it,
 * followed by the longest matching id of a member. Code, web addresses and e-mail addresses contain no mentions, and no
 * id ends inside of one. Both sides are tested against `common/fixtures/mentions.json`.
 */
export function mentionsIn(text: string, isMember: (userId: string) => boolean): Mention[] {
  if (!text.includes('@')) {
    return [];
  }
  const spans = spansOf(text);
  const mentioned = new Set<string>();
  const found: Mention[] = [];
  let asked = 0;
  let free = 0;
  for (let at = text.indexOf('@'); at >= 0; at = text.indexOf('@', at + 1)) {
    if (isInside(spans, at) || ALPHANUMERIC.test(characterBefore(text, at))) {
      continue;
    }
    const candidates = candidatesAt(text, at + 1, spans);
    asked += candidates.length;
    if (asked > CANDIDATES_MAX) {
      break;
    }
    const userId = at + 1 < free ? undefined : candidates.find(isMember);
    if (userId !== undefined) {
      free = at + 1 + userId.length;
      if (mentioned.size < MENTIONS_MAX || mentioned.has(userId)) {
        mentioned.add(userId);
        found.push({ from: at, to: free, userId });
      }
    }
  }
  return found;
}

/** Returns the text with the names of the mentioned members for their ids. */
export function withNames(body: string, isMember: (userId: string) => boolean, name: (userId: string) => string): string {
  let text = '';
  let at = 0;
  for (const { from, to, userId } of mentionsIn(body, isMember)) {
    text += `${body.slice(at, from)}@${name(userId)}`;
    at = to;
  }
  return text + body.slice(at);
}

/** Returns every possible id at a position, the longest first. */
function candidatesAt(text: string, from: number, spans: readonly Span[]): string[] {
  const ids: string[] = [];
  let bytes = 0;
  let before = '';
  for (let to = from; bytes <= ID_BYTES_MAX; ) {
    const code = text.codePointAt(to);
    const next = code === undefined ? undefined : String.fromCodePoint(code);
    if (before !== '' && mayEnd(before, next) && !isInside(spans, to)) {
      ids.push(text.slice(from, to));
    }
    if (code === undefined || next === undefined || BLANK.test(next)) {
      break;
    }
    before = next;
    to += next.length;
    bytes += code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
  }
  return ids.reverse();
}

/**
 * True if an id may end here: where a word ends, and anywhere before Korean, Chinese or Japanese letters, since
 * particles follow without a space.
 */
export function mayEnd(before: string, next: string | undefined): boolean {
  const isWord = (character: string): boolean => character === '_' || ALPHANUMERIC.test(character);
  return next === undefined || !isWord(before) || !isWord(next) || next >= '\u1100';
}

function characterBefore(text: string, at: number): string {
  const unit = text.slice(Math.max(0, at - 1), at);
  return /[\udc00-\udfff]/.test(unit) ? text.slice(Math.max(0, at - 2), at) : unit;
}
