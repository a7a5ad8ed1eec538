/** Small choices of the user, kept in the browser; without storage they last as long as the page. */
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
    // Then nothing was remembered either.
  }
}

export function remember(key: string, value: string): void {
  try {
    localStorage.setItem(`rts.${key}`, value);
  } catch {
    // Private mode or a full quota: nothing depends on it.
  }
}
