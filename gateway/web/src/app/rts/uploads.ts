import { Signal, signal } from '@angular/core';
import { Attachment, UploadTicket } from './contract';
import { RtsConnection } from './connection';
import { RtsError, toRtsError } from './errors';

export type UploadState = 'preparing' | 'uploading' | 'done' | 'failed' | 'cancelled';

/** One file on its way to storage. */
export interface Upload {
  readonly file: File;
  readonly state: Signal<UploadState>;
  /** 0 to 1. */
  readonly progress: Signal<number>;
  /** What a message refers to, once done. */
  readonly attachment: Signal<Attachment | undefined>;
  readonly error: Signal<RtsError | undefined>;
  cancel(): void;
}

/** Puts bytes to a signed address; replaced in tests. */
export type Put = (ticket: UploadTicket, file: File, progress: (part: number) => void, abort: AbortSignal) => Promise<void>;

/**
 * Sends a file straight to storage: its hash is bound into a signed address, so what arrives is what was meant.
 */
export function startUpload(connection: RtsConnection, roomId: string, file: File, put: Put = putByXhr): Upload {
  const state = signal<UploadState>('preparing');
  const progress = signal(0);
  const attachment = signal<Attachment | undefined>(undefined);
  const error = signal<RtsError | undefined>(undefined);
  const abort = new AbortController();
  const contentType = file.type === '' ? 'application/octet-stream' : file.type;
  const facts = { fileName: file.name, contentType, sizeBytes: file.size };

  const run = async (): Promise<void> => {
    const sha256 = await hash(file);
    const ticket = await connection.invoke('CreateUpload', { roomId, sha256, ...facts });
    abort.signal.throwIfAborted();
    state.set('uploading');
    await put(ticket, file, (part) => progress.set(part), abort.signal);
    progress.set(1);
    attachment.set({ attachmentId: ticket.attachmentId, ...facts });
    state.set('done');
  };
  run().catch((failure: unknown) => {
    if (abort.signal.aborted) {
      return;
    }
    error.set(toRtsError(failure));
    state.set('failed');
  });

  return {
    file,
    state,
    progress,
    attachment,
    error,
    cancel: () => {
      abort.abort();
      state.set('cancelled');
    },
  };
}

async function hash(file: File): Promise<string> {
  if (globalThis.crypto?.subtle === undefined) {
    throw new RtsError('unsupported', 'Hashes need a page from https or from this machine.');
  }
  const digest = await crypto.subtle.digest('SHA-256', await file.arrayBuffer());
  return [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** `fetch` cannot tell the progress of what it sends; XMLHttpRequest can. */
const putByXhr: Put = (ticket, file, progress, abort) =>
  new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open(ticket.method, ticket.url);
    for (const [name, value] of Object.entries(ticket.headers)) {
      // The browser sets these itself and refuses them from a page.
      if (!['content-length', 'host'].includes(name.toLowerCase())) {
        request.setRequestHeader(name, value);
      }
    }
    request.upload.onprogress = ({ loaded, total }) => progress(total > 0 ? loaded / total : 0);
    request.onload = () => {
      const stored = request.status >= 200 && request.status < 300;
      stored ? resolve() : reject(new RtsError('unavailable', `The storage answered ${request.status}.`));
    };
    request.onerror = () => reject(new RtsError('offline', 'The storage was not reached.'));
    abort.addEventListener('abort', () => request.abort());
    request.onabort = () => reject(new RtsError('cancelled', 'The upload was cancelled.'));
    request.send(file);
  });
