import { Injectable, computed, effect, inject, linkedSignal, untracked } from '@angular/core';
import { Chat } from '../core/chat';
import { KeptFiles } from '../core/kept-files';
import { Attachment, Message, RtsRoom, Upload, continueUpload, pastUpload, randomId } from '../rts';

/** The unsent text, quote, edit and files of a room. */
export interface Draft {
  readonly text: string;
  readonly replyTo?: Message | undefined;
  /** The message being edited; `edited` is its new text. */
  readonly editing?: Message | undefined;
  readonly edited?: string | undefined;
  readonly uploads: readonly Upload[];
}

/** A file of a draft as stored: with its attachment once it is uploaded, until then with its id among the kept files. */
interface StoredFile {
  name: string;
  size: number;
  attachment?: Attachment;
  kept?: string;
}

type Stored = Omit<Draft, 'uploads'> & { files: StoredFile[] };

const NOTHING: Draft = { text: '', uploads: [] };

/**
 * Unsent texts, quotes, edits and files, per room. Kept in the tab's session storage, so that they survive a reload;
 * uploads continue while the user is in another room, and after a reload.
 */
@Injectable({ providedIn: 'root' })
export class Drafts {
  private readonly chat = inject(Chat);
  private readonly files = new KeptFiles();
  /** The ids of uploads' files, as kept. */
  private readonly kept = new Map<Upload, string>();
  private readonly key = computed(() => {
    const identity = this.chat.who();
    return identity && `rts.drafts.${identity.orgId}.${identity.userId}`;
  });
  private readonly all = linkedSignal<string | undefined, ReadonlyMap<string, Draft>>({
    source: this.key,
    computation: (key) => (key === undefined ? new Map() : untracked(() => this.load(key))),
  });

  constructor() {
    effect(() => {
      const key = untracked(this.key);
      if (key !== undefined) {
        this.save(key, this.all());
      }
    });
    addEventListener('beforeunload', (event) => {
      // Lost with the tab is a file that is still being uploaded, and what is not sent.
      const unsent = this.chat.who() === undefined ? [] : this.chat.client().outbox.all().filter(({ state }) => state === 'queued' || state === 'sending');
      if (unsent.length > 0 || [...this.all().values()].some(({ uploads }) => uploads.some((upload) => isOnItsWay(upload)))) {
        event.preventDefault();
      }
    });
  }

  get(roomId: string): Draft {
    return this.all().get(roomId) ?? NOTHING;
  }

  /** Returns the text only. */
  of(roomId: string): string {
    return this.get(roomId).text;
  }

  /** Begins the upload of a file for a room's next message. */
  attach(room: RtsRoom, file: File): void {
    const upload = room.upload(file);
    const id = randomId();
    this.kept.set(upload, id);
    void this.files.put(id, file);
    this.keep(room.roomId, { uploads: [...this.get(room.roomId).uploads, upload] });
  }

  keep(roomId: string, change: Partial<Draft>): void {
    this.all.update((all) => new Map(all).set(roomId, { ...(all.get(roomId) ?? NOTHING), ...change }));
  }

  private load(key: string): Map<string, Draft> {
    // Files of another user's drafts wait for them.
    this.kept.clear();
    try {
      const stored = Object.entries(JSON.parse(sessionStorage.getItem(key) ?? '{}') as Record<string, Stored>);
      return new Map(stored.map(([roomId, { files, ...rest }]) => [roomId, { ...rest, uploads: files.map((file) => this.loaded(roomId, file)) }]));
    } catch {
      return new Map();
    }
  }

  private loaded(roomId: string, { attachment, kept, ...file }: StoredFile): Upload {
    if (attachment !== undefined) {
      return pastUpload(file, attachment);
    }
    const upload = continueUpload(this.chat.client().connection, roomId, file, async () => (kept === undefined ? undefined : this.files.get(kept)));
    if (kept !== undefined) {
      this.kept.set(upload, kept);
    }
    return upload;
  }

  private save(key: string, drafts: ReadonlyMap<string, Draft>): void {
    const needed = new Set([...drafts.values()].flatMap(({ uploads }) => uploads.filter(({ attachment }) => attachment() === undefined)));
    for (const [upload, id] of this.kept) {
      if (!needed.has(upload)) {
        this.kept.delete(upload);
        void this.files.remove(id);
      }
    }
    const files = (uploads: readonly Upload[]): StoredFile[] =>
      uploads.map((upload) => {
        const [attachment, kept] = [upload.attachment(), this.kept.get(upload)];
        return { name: upload.file.name, size: upload.file.size, ...(attachment ? { attachment } : {}), ...(kept ? { kept } : {}) };
      });
    const written = [...drafts].filter(([, { text, replyTo, editing, uploads }]) => text !== '' || replyTo || editing || uploads.length > 0);
    const stored = written.map(([roomId, { uploads, ...rest }]) => [roomId, { ...rest, files: files(uploads) }] as const);
    try {
      sessionStorage.setItem(key, JSON.stringify(Object.fromEntries(stored)));
    } catch {
      // Without storage (private mode, quota) drafts last as long as the page.
    }
  }
}

const isOnItsWay = (upload: Upload): boolean => ['preparing', 'uploading', 'waiting'].includes(upload.state());
