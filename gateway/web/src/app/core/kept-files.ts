/** Files are kept for a day, in case a page ends without taking them out again. */
const KEPT_MS = 24 * 60 * 60 * 1000;
const STORE = 'files';

interface Kept {
  file: File;
  at: number;
}

/**
 * Files that are on their way, in the browser's database: an upload continues after a reload. Where there is no database,
 * or no room in it, nothing is kept.
 */
export class KeptFiles {
  private readonly opened = this.open().catch(() => undefined);

  async put(id: string, file: File): Promise<void> {
    await this.run('readwrite', (store) => store.put({ file, at: Date.now() } satisfies Kept, id)).catch(() => undefined);
  }

  async get(id: string): Promise<File | undefined> {
    return ((await this.run('readonly', (store) => store.get(id))) as Kept | undefined)?.file;
  }

  async remove(id: string): Promise<void> {
    await this.run('readwrite', (store) => store.delete(id)).catch(() => undefined);
  }

  private async open(): Promise<IDBDatabase> {
    const request = indexedDB.open('rts', 1);
    request.onupgradeneeded = () => request.result.createObjectStore(STORE);
    const database = await answerOf(request);
    const cursor = database.transaction(STORE, 'readwrite').objectStore(STORE).openCursor();
    cursor.onsuccess = () => {
      const found = cursor.result;
      if (found !== null) {
        if ((found.value as Kept).at < Date.now() - KEPT_MS) {
          found.delete();
        }
        found.continue();
      }
    };
    return database;
  }

  private async run<T>(mode: IDBTransactionMode, ask: (store: IDBObjectStore) => IDBRequest<T>): Promise<T | undefined> {
    const database = await this.opened;
    return database && answerOf(ask(database.transaction(STORE, mode).objectStore(STORE)));
  }
}

function answerOf<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error ?? new Error('The database does not answer.'));
  });
}
