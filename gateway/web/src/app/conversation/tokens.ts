import { mentionsIn, spansOf } from '../rts';

/** A part of a message's text. */
export type Token = { kind: 'text'; text: string } | { kind: 'link'; text: string; href: string } | { kind: 'mention'; text: string; userId: string };

/** Characters that end a sentence, or mark a part of one, rather than belong to an address. */
const TAIL = /[.,;:!?*_~]+$/;
/** Korean particles after an address; a path in Korean begins after a slash or another sign. */
const PARTICLES =
  /(?<=[A-Za-z0-9)\]]|^(?:https?:\/\/|www\.)[^/]+\/)(?:이라고|라고|이라는|라는|입니다|이에요|예요|이고|인데|에서|에게|에는|에도|으로|까지|부터|처럼|보다|이나|이랑|하고|을|를|은|는|이|가|에|의|와|과|도|로|만|랑|님)+$/i;
/** What makes an address look like another one: characters that turn the direction of text, and a name before the host. */
const DECEIVES = /[\u061C\u200E\u200F\u202A-\u202E\u2066-\u2069]|^https?:\/\/[^/?#]*@/i;
/** Upper bound of the length of three emoji, in UTF-16 units. */
const EMOJI_UNITS_MAX = 120;
const EMOJI = new RegExp('^(?:\\p{RGI_Emoji}|(?!\\p{RI})\\p{Emoji_Presentation}.*|\\p{Extended_Pictographic}\\p{Emoji_Modifier}?\\uFE0F.*|[0-9#*]\\uFE0F?\\u20E3)$', 'v');

/** Splits a text into plain text, links, and mentions of members. Code contains neither links nor mentions. */
export function tokens(body: string, isMember: (userId: string) => boolean): Token[] {
  const mentions = mentionsIn(body, isMember).map(({ from, to, userId }) => ({ from, to, token: { kind: 'mention' as const, text: body.slice(from, to), userId } }));
  const links = spansOf(body).flatMap(({ kind, from, to }) => {
    const text = kind === 'url' ? trimmed(body.slice(from, to)) : body.slice(from, to);
    return kind === 'code' || DECEIVES.test(text) ? [] : [{ from, to: from + text.length, token: { kind: 'link' as const, text, href: href(kind, text) } }];
  });
  const found: Token[] = [];
  let at = 0;
  for (const { from, to, token } of [...mentions, ...links].sort((a, b) => a.from - b.from)) {
    // An id may look like an address; then it is a mention.
    if (from >= at) {
      if (from > at) {
        found.push({ kind: 'text', text: body.slice(at, from) });
      }
      found.push(token);
      at = to;
    }
  }
  return at < body.length ? [...found, { kind: 'text', text: body.slice(at) }] : found;
}

/** Returns true for one to three emoji and nothing else, which are shown large. */
export function isEmojiOnly(body: string): boolean {
  const text = body.replace(/\s/g, '');
  if (text === '' || text.length > EMOJI_UNITS_MAX) {
    return false;
  }
  const graphemes = [...new Intl.Segmenter().segment(text)];
  return graphemes.length <= 3 && graphemes.every(({ segment }) => EMOJI.test(segment));
}

/** Returns the language of a text by its script, as far as line breaks and speech depend on it; empty if unknown. */
export function languageOf(text: string): string {
  const [script] = /\p{Script=Hangul}|[\p{Script=Hiragana}\p{Script=Katakana}]/u.exec(text) ?? [];
  return script === undefined ? (/\p{Script=Han}/u.test(text) ? 'zh' : '') : /\p{Script=Hangul}/u.test(text) ? 'ko' : 'ja';
}

function href(kind: 'url' | 'email', text: string): string {
  return kind === 'email' ? `mailto:${text}` : /^www\./i.test(text) ? `https://${text}` : text;
}

function trimmed(url: string): string {
  return url.replace(TAIL, '').replace(PARTICLES, '').replace(TAIL, '');
}
