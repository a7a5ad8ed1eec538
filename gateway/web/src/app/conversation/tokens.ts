/** A piece of a message's text. */
export type Token = { kind: 'text'; text: string } | { kind: 'link'; text: string; href: string } | { kind: 'mention'; text: string; userId: string };

/** Where a link is, and where a mention may begin. */
const STARTS = /https?:\/\/[^\s<>"']+|@/g;
/** Characters of an id, at most. */
const ID_MAX = 128;
/** What ends a sentence rather than an address or an id. */
const TAIL = /[.,;:!?)\]}'"…。、]+$/;

/** Cuts a text into plain text, links, and mentions of people who are in the room. */
export function tokens(body: string, isMember: (userId: string) => boolean): Token[] {
  const found: Token[] = [];
  let from = 0;
  const text = (to: number): void => {
    if (to > from) {
      found.push({ kind: 'text', text: body.slice(from, to) });
    }
  };
  const starts = new RegExp(STARTS);
  for (let match = starts.exec(body); match !== null; match = starts.exec(body)) {
    const token = match[0] === '@' ? mention(body, match.index, isMember) : link(match[0]);
    if (token !== undefined) {
      text(match.index);
      found.push(token);
      from = match.index + token.text.length;
      starts.lastIndex = from;
    }
  }
  text(body.length);
  return found;
}

/** One to three emoji and nothing else are shown large. */
export function isEmojiOnly(body: string): boolean {
  const graphemes = [...new Intl.Segmenter().segment(body.trim())].map(({ segment }) => segment);
  return graphemes.length > 0 && graphemes.length <= 3 && graphemes.every((each) => /^\p{Extended_Pictographic}/u.test(each));
}

function link(piece: string): Token {
  const href = piece.replace(TAIL, '');
  return { kind: 'link', text: href, href };
}

/**
 * The longest id of a member after an `@`, as the server has it: it begins where a word does and ends where one does,
 * but before Korean, Chinese or Japanese letters it may end anywhere, since particles follow without a blank.
 */
function mention(body: string, at: number, isMember: (userId: string) => boolean): Token | undefined {
  if (/[\p{L}\p{N}]$/u.test(body.slice(0, at))) {
    return undefined;
  }
  const rest = [...(/^\S*/.exec(body.slice(at + 1, at + 1 + ID_MAX))?.[0] ?? '')];
  for (let end = rest.length; end > 0; end -= 1) {
    const userId = rest.slice(0, end).join('');
    if (mayEnd(rest[end - 1] ?? '', rest[end]) && isMember(userId)) {
      return { kind: 'mention', text: `@${userId}`, userId };
    }
  }
  return undefined;
}

function mayEnd(before: string, next: string | undefined): boolean {
  const isWord = (character: string): boolean => /[\p{Alphabetic}\p{N}_]/u.test(character);
  return next === undefined || !isWord(before) || !isWord(next) || next >= '\u1100';
}
