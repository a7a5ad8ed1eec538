/** Returns the letter of a key, also if a Korean layout gives a jamo for it. */
export function letterOf({ key, code }: KeyboardEvent): string {
  return (/^[\u3131-\u318e]$/.test(key) ? code.replace('Key', '') : key).toLowerCase();
}

/** True if a key belongs to an input method, which is composing a syllable. Safari sends the last one, Enter too, after the composition. */
export function isComposing({ isComposing: inComposition, keyCode }: KeyboardEvent): boolean {
  return inComposition || keyCode === 229;
}
