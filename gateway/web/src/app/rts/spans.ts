/** A part of a text that contains no mentions: code, a web address, or an e-mail address. */
export interface Span {
  kind: 'code' | 'url' | 'email';
  from: number;
  to: number;
}

const STARTS = /`+|https?:\/\/|www\.|@/gi;
const HOST = /[\p{Alphabetic}\p{N}]/uy;
const WWW_HOST = /[\p{Alphabetic}\p{N}-]+\.[\p{Alphabetic}\p{N}]/uy;
/** Characters that end an address: spaces, quotes, backticks, and Korean, Chinese and Japanese punctuation. */
const ENDS_URL = /[\p{White_Space}\p{Cc}<>"'`\u2018-\u201f\u2026\u3000-\u3004\u3008-\u303f\uff01-\uff0f\uff1a-\uff20\uff3b-\uff40\uff5b-\uff65]/u;
const BRACKETS: Record<string, string> = { '(': ')', '[': ']', '{': '}' };
const LOCAL_MAX = 64;
const DOMAIN_MAX = 253;

/** Finds code and addresses, in order and not nested, by the same rule as the server (`rooms/quiet.rs`). */
export function spansOf(text: string): Span[] {
  const spans: Span[] = [];
  const starts = new RegExp(STARTS);
  let free = 0;
  for (let match = starts.exec(text); match !== null; match = starts.exec(text)) {
    const span = spanAt(text, match.index, match[0], free);
    if (span !== undefined) {
      spans.push(span);
      free = span.to;
      starts.lastIndex = free;
    }
  }
  return spans;
}

/** True if a span reaches across this position. */
export function isInside(spans: readonly Span[], at: number): boolean {
  let [low, high] = [0, spans.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    [low, high] = (spans[middle]?.to ?? Infinity) <= at ? [middle + 1, high] : [low, middle];
  }
  return (spans[low]?.from ?? Infinity) < at;
}

function spanAt(text: string, at: number, start: string, free: number): Span | undefined {
  if (start.startsWith('`')) {
    const to = codeEnd(text, at + start.length, start.length);
    return to === undefined ? undefined : { kind: 'code', from: at, to };
  }
  if (start === '@') {
    return email(text, at, free);
  }
  const host = new RegExp(start.endsWith('.') ? WWW_HOST : HOST);
  host.lastIndex = at + start.length;
  const begins = !/[A-Za-z0-9]/.test(text[at - 1] ?? '') && host.test(text);
  return begins ? { kind: 'url', from: at, to: urlEnd(text, at + start.length) } : undefined;
}

/** Finds the end of code: as many backticks as at its start, on the same line if they are fewer than three. */
function codeEnd(text: string, from: number, ticks: number): number | undefined {
  const line = ticks < 3 ? text.indexOf('\n', from) : -1;
  const runs = /`+/g;
  runs.lastIndex = from;
  for (let run = runs.exec(text); run !== null && (line < 0 || run.index < line); run = runs.exec(text)) {
    if (run[0].length === ticks) {
      return run.index + ticks;
    }
  }
  return undefined;
}

/** Finds the end of an address, which stops before a bracket that it did not open. */
function urlEnd(text: string, from: number): number {
  const open: string[] = [];
  let to = from;
  for (; to < text.length; to += 1) {
    const char = text[to] ?? '';
    if (ENDS_URL.test(char)) {
      break;
    }
    const closing = BRACKETS[char];
    if (closing !== undefined) {
      open.push(closing);
    } else if (')]}'.includes(char) && open.pop() !== char) {
      break;
    }
  }
  return to;
}

function email(text: string, at: number, free: number): Span | undefined {
  let from = at;
  while (from > free && /[\w.%+'-]/.test(text[from - 1] ?? '')) {
    from -= 1;
    if (at - from > LOCAL_MAX) {
      return undefined;
    }
  }
  while (from < at && !/[A-Za-z0-9]/.test(text[from] ?? '')) {
    from += 1;
  }
  const domain = domainOf(/^[A-Za-z0-9.-]*/.exec(text.slice(at + 1, at + 1 + DOMAIN_MAX))?.[0] ?? '');
  const to = at + 1 + domain.length;
  // In the middle of a word in another script, the match would be a part of another address.
  const cut = isForeignLetter(text[from - 1]) || isForeignLetter(text[to]) || text[to] === '@';
  return from === at || domain === '' || cut ? undefined : { kind: 'email', from, to };
}

/** Returns the longest domain at the start: labels separated by dots, the last one of letters. */
function domainOf(text: string): string {
  const labels = text.split('.');
  const wrong = labels.findIndex((label) => !/^[A-Za-z0-9-]+$/.test(label) || label.startsWith('-') || label.endsWith('-'));
  const good = wrong < 0 ? labels : labels.slice(0, wrong);
  const last = good.findLastIndex((label) => /^[A-Za-z]{2,}$/.test(label));
  return last < 1 ? '' : good.slice(0, last + 1).join('.');
}

/**
 * True for letters between ASCII and Hangul. From Hangul on a word may begin and end anywhere, since particles follow
 * without a space.
 */
function isForeignLetter(char: string | undefined): boolean {
  return char !== undefined && char > '\x7f' && char < '\u1100' && /[\p{Alphabetic}\p{N}]/u.test(char);
}
