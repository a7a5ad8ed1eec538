/** A piece of a message's text. */
export type Token = { kind: 'text'; text: string } | { kind: 'link'; text: string; href: string } | { kind: 'mention'; text: string; userId: string };

const PIECES = /https?:\/\/[^\s<>"']+|@\S+/g;
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
  for (const match of body.matchAll(PIECES)) {
    const token = match[0].startsWith('@') ? mention(match[0], body[match.index - 1], isMember) : link(match[0]);
    if (token !== undefined) {
      text(match.index);
      found.push(token);
      from = match.index + token.text.length;
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

/** Ids may end in a full stop, sentences too: the longest id that is a member's counts. */
function mention(piece: string, before: string | undefined, isMember: (userId: string) => boolean): Token | undefined {
  if (before !== undefined && /[\p{L}\p{N}]/u.test(before)) {
    return undefined;
  }
  for (let id = piece.slice(1); id !== ''; id = id.slice(0, -1)) {
    if (isMember(id)) {
      return { kind: 'mention', text: `@${id}`, userId: id };
    }
  }
  return undefined;
}
