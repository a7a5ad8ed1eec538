/** Returns the letter of a key, also if a Korean layout gives a jamo for it. */
export function letterOf({ key, code }: KeyboardEvent): string {
  return (/^[\u3131-\u318e]$/.test(key) ? code.replace('Key', '') : key).toLowerCase();
}
