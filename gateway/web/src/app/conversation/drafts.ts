import { Injectable, computed, effect, inject, linkedSignal, untracked } from '@angular/core';
import { Chat } from '../core/chat';
import { Attachment, Message, Upload, pastUpload } from '../rts';

/** The unsent text, quote, edit and files of a room. */
export interface Draft {
  readonly text: string;
  readonly replyTo?: Message | undefined;
  /** The message being edited; `edited` is its new text. */
  readonly editing?: Message | undefined;
  readonly edited?: string | undefined;
  readonly uploads: readonly Upload[];
}

/** A file of a draft as stored: with its attachment once it is uploaded. */
interface StoredFile {
  name: string;
  size: number;
  attachment?: Attachment;
}

type Stored = Omit<Draft, 'uploads'> & { files: StoredFile[] };

const NOTHING: Draft = { text: '', uploads: [] };

/**
 * Unsent texts, quotes, edits and files, per room. Kept in the tab's session storage, so that they survive a reload;
 * uploads continue while the user is in another room.
 */
@Injectable({ providedIn: 'root' })
export class Drafts {
  private readonly chat = inject(Chat);
  private readonly key = computed(() => {
    const identity = this.chat.who();
    return identity && `rts.drafts.${identity.orgId}.${identity.userId}`;
  });
  private readonly all = linkedSignal<string | undefined, ReadonlyMap<string, Draft>>({
    source: this.key,
    computation: (key) => (key === undefined ? new Map() : load(key)),
  });

  constructor() {
    effect(() => {
      const key = untracked(this.key);
      if (key !== undefined) {
        save(key, this.all());
      }
    });
    addEventListener('beforeunload', (event) => {
      // Lost with the page is a file that is still being uploaded, and with the tab what is not sent.
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

  keep(roomId: string, change: Partial<Draft>): void {
    this.all.update((all) => new Map(all).set(roomId, { ...(all.get(roomId) ?? NOTHING), ...change }));
  }
}

const isOnItsWay = (upload: Upload): boolean => ['preparing', 'uploading', 'waiting'].includes(upload.state());

function load(key: string): Map<string, Draft> {
  try {
    const stored = Object.entries(JSON.parse(sessionStorage.getItem(key) ?? '{}') as Record<string, Stored>);
    return new Map(stored.map(([roomId, { files, ...rest }]) => [roomId, { ...rest, uploads: files.map((f) => pastUpload(f.name, f.size, f.attachment)) }]));
  } catch {
    return new Map();
  }
}

function save(key: string, drafts: ReadonlyMap<string, Draft>): void {
  const files = (uploads: readonly Upload[]): StoredFile[] =>
    uploads.map(({ file, attachment }) => ({ name: file.name, size: file.size, ...(attachment() ? { attachment: attachment()! } : {}) }));
  const written = [...drafts].filter(([, { text, replyTo, editing, uploads }]) => text !== '' || replyTo || editing || uploads.length > 0);
  const stored = written.map(([roomId, { uploads, ...rest }]) => [roomId, { ...rest, files: files(uploads) }] as const);
  try {
    sessionStorage.setItem(key, JSON.stringify(Object.fromEntries(stored)));
  } catch {
    // Without storage (private mode, quota) drafts last as long as the page.
  }
}
