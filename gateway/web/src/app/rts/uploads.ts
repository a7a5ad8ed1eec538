import { Signal, signal } from '@angular/core';
import { Backoff, delay } from './backoff';
import { Attachment, UploadTicket } from './contract';
import { RtsConnection } from './connection';
import { RtsError, toRtsError } from './errors';

/** Interval at which a waiting upload checks for a connection. */
const LOOK_MS = 500;

/** Attempts at the storage, over about a minute. */
const ATTEMPTS_MAX = 10;

/** `waiting` is for a connection or a busy server; the upload continues without user action. */
export type UploadState = 'preparing' | 'uploading' | 'waiting' | 'done' | 'failed' | 'cancelled';

/** One file being uploaded. */
export interface Upload {
  readonly file: Pick<File, 'name' | 'size'>;
  readonly state: Signal<UploadState>;
  /** From 0 to 1. */
  readonly progress: Signal<number>;
  /** The attachment for the message, once the upload is done. */
  readonly attachment: Signal<Attachment | undefined>;
  readonly error: Signal<RtsError | undefined>;
  cancel(): void;
  /** Retries a failed upload. */
  retry(): void;
}

/** Sends bytes to a signed address; replaced in tests. */
export type Put = (ticket: UploadTicket, file: File, progress: (part: number) => void, abort: AbortSignal) => Promise<void>;

/**
 * Uploads a file directly to storage. Its hash is bound into the signed address, so storage accepts these bytes only.
 */
export function startUpload(connection: RtsConnection, roomId: string, file: File, put: Put = putByXhr, backoff = new Backoff(500, 10_000)): Upload {
  return upload(connection, roomId, file, () => Promise.resolve(file), put, backoff);
}

/** Continues an upload of an earlier page; `read` returns its file, or nothing if it was not kept. */
export function continueUpload(connection: RtsConnection, roomId: string, { name, size }: Upload['file'], read: () => Promise<File | undefined>): Upload {
  const kept = async (): Promise<File> => {
    const file = await read().catch(() => undefined);
    if (file === undefined) {
      throw new RtsError('cancelled', 'The page ended before the upload did.');
    }
    return file;
  };
  return upload(connection, roomId, { name, size }, kept, putByXhr, new Backoff(500, 10_000));
}

function upload(connection: RtsConnection, roomId: string, file: Upload['file'], read: () => Promise<File>, put: Put, backoff: Backoff): Upload {
  const state = signal<UploadState>('preparing');
  const progress = signal(0);
  const attachment = signal<Attachment | undefined>(undefined);
  const error = signal<RtsError | undefined>(undefined);
  const abort = new AbortController();

  /** Failures of the storage in a row, on one connection to the hub. */
  let refusals = 0;
  const once = async (content: File, sha256: string): Promise<void> => {
    const contentType = content.type === '' ? 'application/octet-stream' : content.type;
    const facts = { fileName: content.name, contentType, sizeBytes: content.size };
    const ticket = await connection.invoke('CreateUpload', { roomId, sha256, ...facts });
    abort.signal.throwIfAborted();
    state.set('uploading');
    await put(ticket, content, (part) => progress.set(part), abort.signal).catch((failure: unknown) => {
      refusals += 1;
      throw failure;
    });
    progress.set(1);
    attachment.set({ attachmentId: ticket.attachmentId, ...facts });
    state.set('done');
  };
  /**
   * Tries until the file is stored or refused; a lost connection only costs time. A storage that cannot be reached while
   * the hub can, as behind a content blocker, or for a file that has changed on disk, gets no more than some attempts.
   */
  const run = async (): Promise<void> => {
    const content = await read();
    const sha256 = await hash(content);
    while (state() !== 'done') {
      try {
        await once(content, sha256);
      } catch (failure) {
        const reason = toRtsError(failure);
        abort.signal.throwIfAborted();
        if (!reason.retryable || connection.state() === 'ended' || refusals >= ATTEMPTS_MAX) {
          throw reason;
        }
        if (connection.state() !== 'online') {
          refusals = 0;
        }
        state.set('waiting');
        progress.set(0);
        await delay(backoff.after(reason.retryAfterMs));
        await connected(connection, abort.signal);
      }
    }
  };
  const begin = (): void => {
    state.set('preparing');
    error.set(undefined);
    refusals = 0;
    run().catch((failure: unknown) => {
      if (!abort.signal.aborted) {
        error.set(toRtsError(failure));
        state.set('failed');
      }
    });
  };
  begin();

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
    retry: () => {
      if (state() === 'failed') {
        begin();
      }
    },
  };
}

/** Returns an upload that an earlier page completed. */
export function pastUpload({ name, size }: Upload['file'], attachment: Attachment): Upload {
  const nothing = (): void => undefined;
  return {
    file: { name, size },
    state: signal<UploadState>('done'),
    progress: signal(1),
    attachment: signal<Attachment | undefined>(attachment),
    error: signal<RtsError | undefined>(undefined),
    cancel: nothing,
    retry: nothing,
  };
}

/** Resolves once there is a connection, or there will never be one. */
async function connected(connection: RtsConnection, abort: AbortSignal): Promise<void> {
  while (!['online', 'ended'].includes(connection.state())) {
    await delay(LOOK_MS);
    abort.throwIfAborted();
  }
}

/** Converts an answer of the storage; only a busy storage is asked again. */
export function refusal(status: number): RtsError {
  const again = status >= 500 || status === 408 || status === 429;
  return new RtsError(again ? 'unavailable' : status === 413 ? 'tooLarge' : 'forbidden', `The storage answered ${status}.`);
}

async function hash(file: File): Promise<string> {
  if (globalThis.crypto?.subtle === undefined) {
    throw new RtsError('unsupported', 'Hashes need a page from https or from this machine.');
  }
  const digest = await crypto.subtle.digest('SHA-256', await file.arrayBuffer());
  return [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** Uses XMLHttpRequest, since `fetch` cannot report the progress of an upload. */
const putByXhr: Put = (ticket, file, progress, abort) =>
  new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open(ticket.method, ticket.url);
    for (const [name, value] of Object.entries(ticket.headers)) {
      // The browser sets these headers and refuses them from a page.
      if (!['content-length', 'host'].includes(name.toLowerCase())) {
        request.setRequestHeader(name, value);
      }
    }
    request.upload.onprogress = ({ loaded, total }) => progress(total > 0 ? loaded / total : 0);
    request.onload = () => {
      const stored = request.status >= 200 && request.status < 300;
      stored ? resolve() : reject(refusal(request.status));
    };
    request.onerror = () => reject(new RtsError('offline', 'The storage was not reached.'));
    abort.addEventListener('abort', () => request.abort());
    request.onabort = () => reject(new RtsError('cancelled', 'The upload was cancelled.'));
    request.send(file);
  });
