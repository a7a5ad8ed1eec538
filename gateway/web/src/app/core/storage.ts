/** Returns a small setting kept in the browser. Without storage, settings last as long as the page. */
export function remembered(key: string): string | undefined {
  try {
    return localStorage.getItem(`rts.${key}`) ?? undefined;
  } catch {
    return undefined;
  }
}

export function forget(key: string): void {
  try {
    localStorage.removeItem(`rts.${key}`);
  } catch {
    // Without storage there is nothing to forget.
  }
}

export function remember(key: string, value: string): void {
  try {
    localStorage.setItem(`rts.${key}`, value);
  } catch {
    // Private mode or a full quota; nothing depends on it.
  }
}
