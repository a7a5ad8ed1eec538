/** Right-to-left letters, and characters that change the direction of the text after them. */
const TURNS = /[\u0590-\u08ff\u200e\u200f\u202a-\u202e\u2066-\u2069\ufb1d-\ufdff\ufe70-\ufefc\u{10800}-\u{10fff}\u{1e800}-\u{1efff}]/u;

/** Isolates a name or another foreign text within a sentence, so that it cannot change the direction of the rest. */
export function isolate(text: string): string {
  return TURNS.test(text) ? `\u2068${closed(text)}\u2069` : text;
}

/** Joins names to a list. A single name is returned as it is: it may stand alone, or be put into a sentence. */
export function listOf(names: readonly string[]): string {
  return names.length === 1 ? (names[0] ?? '') : names.map(isolate).join(', ');
}

/** Removes direction characters that would affect text beyond the end. */
function closed(text: string): string {
  let depth = 0;
  for (const [sign] of text.matchAll(/[\u2066-\u2069]/g)) {
    depth += sign === '\u2069' ? -1 : 1;
    if (depth < 0) {
      break;
    }
  }
  return text.replace(depth === 0 ? /[\u202a-\u202e]/g : /[\u202a-\u202e\u2066-\u2069]/g, '');
}

/** Returns sentences that isolate every text inserted into them. */
export function isolating<T extends object>(texts: T): T {
  const wrapped = (value: unknown): unknown => {
    if (typeof value === 'function') {
      return (...values: unknown[]): unknown => (value as (...given: unknown[]) => unknown)(...values.map(within));
    }
    return typeof value === 'object' && value !== null ? isolating(value) : value;
  };
  return Object.fromEntries(Object.entries(texts).map(([key, value]) => [key, wrapped(value)])) as T;
}

function within(value: unknown): unknown {
  return typeof value === 'string' ? isolate(value) : Array.isArray(value) ? value.map(within) : value;
}
