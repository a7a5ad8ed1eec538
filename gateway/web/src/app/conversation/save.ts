/** Saves a file of the page to the user's downloads. */
export function save(file: Blob, name: string): void {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(file);
  // A title may contain characters that no file name may.
  link.download = name.replace(/[\\/:*?"<>|\p{Cc}\u2066-\u2069]/gu, '_');
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
