import { Signal, signal } from '@angular/core';
import { Backoff, delay } from './backoff';
import { RtsConnection } from './connection';
import { Attachment, Seq } from './contract';
import { RtsError, toRtsError } from './errors';

/** Time for which the server surely remembers a `clientId`; after it, a repeated send could make a second message. */
const CLIENT_ID_LIVES_MS = 23 * 3_600_000;

/** First pause after a lost connection, until its loss is noticed; then sending waits for the next one. */
const OFFLINE_PAUSE_MS = 50;

/** Limit of connections that the server may close over one message before the message counts as the cause. */
const FAULTS_MAX = 2;

/** `sent` has its ack and waits for its event. */
export type OutgoingState = 'queued' | 'sending' | 'sent' | 'failed';

/** A message of this user that is not known to be durable yet. */
export interface Outgoing {
  readonly clientId: string;
  readonly roomId: string;
  readonly body: string;
  readonly attachments: readonly Attachment[];
  readonly replyTo?: Seq;
  readonly createdAt: number;
  readonly state: OutgoingState;
  readonly seq?: Seq;
  readonly error?: RtsError;
}

export type Draft = Pick<Outgoing, 'body'> & Partial<Pick<Outgoing, 'attachments' | 'replyTo'>>;

/** Keeps the queue across a reload of the page. */
export interface OutboxStorage {
  load(): Outgoing[];
  save(queue: readonly Outgoing[]): void;
}

/**
 * Sends messages: one at a time per room, to keep their order; repeated with the same `clientId` until there is an
 * answer, so that each becomes exactly one message.
 */
export class Outbox {
  private readonly queue = signal<readonly Outgoing[]>([]);
  /** Rooms with a send in progress, each with a function that ends its wait for a connection. */
  private readonly busy = new Map<string, () => void>();
  private readonly faults = new Map<string, number>();
  private open = false;

  /** The queue, in the order of writing. */
  readonly all: Signal<readonly Outgoing[]> = this.queue.asReadonly();

  constructor(
    private readonly connection: RtsConnection,
    /** Called with each ack; returns true if the message is in its room already. */
    private readonly acked: (sent: Outgoing, seq: Seq) => boolean,
    private readonly storage?: OutboxStorage,
    private readonly backoff: () => Backoff = () => new Backoff(500, 10_000),
  ) {
    const restored = storage?.load() ?? [];
    // A refused message stays refused across a reload.
    this.queue.set(restored.flatMap((entry) => (entry.state === 'failed' && entry.error !== undefined ? [entry] : current({ ...entry, state: 'queued' }))));
  }

  add(roomId: string, draft: Draft): Outgoing {
    const entry: Outgoing = { clientId: randomId(), roomId, attachments: [], createdAt: Date.now(), state: 'queued', ...draft };
    this.set([...this.queue(), entry]);
    void this.drain(roomId);
    return entry;
  }

  /** Tries a failed message again, with the same `clientId` if possible. */
  retry(clientId: string): void {
    const entry = this.queue().find((known) => known.clientId === clientId);
    if (entry?.state === 'failed') {
      // The server may have forgotten an old id, so it gets a new one.
      const fresh = isTooOld(entry) ? { clientId: randomId(), createdAt: Date.now() } : {};
      const { error: _, ...rest } = entry;
      this.set([...this.queue().filter((known) => known !== entry), { ...rest, ...fresh, state: 'queued' }]);
      void this.drain(entry.roomId);
    }
  }

  /** Drops a message that is not being sent. */
  discard(clientId: string): void {
    this.set(this.queue().filter((entry) => entry.clientId !== clientId || entry.state === 'sending'));
  }

  /** Handles the message's event: the message is in its room, and leaves the queue once it has its ack too. */
  appeared(clientId: string, seq: Seq): void {
    const entry = this.queue().find((known) => known.clientId === clientId);
    if (entry?.state === 'sent' || entry?.state === 'failed') {
      this.remove(clientId);
    } else if (entry !== undefined) {
      this.change(clientId, { seq });
    }
  }

  /** Starts sending, once the rooms are in step with the server. */
  resume(): void {
    this.open = true;
    // A truncated resume moved the room past the sent message, without its event.
    const arrived = (entry: Outgoing): boolean => entry.state === 'sent' && entry.seq !== undefined && this.acked(entry, entry.seq);
    this.set(this.queue().filter((entry) => !arrived(entry)));
    for (const roomId of new Set(this.queue().map((entry) => entry.roomId))) {
      this.busy.get(roomId)?.();
      void this.drain(roomId);
    }
  }

  /** Stops sending until `resume`, when the connection is lost. */
  pause(): void {
    this.open = false;
  }

  private async drain(roomId: string): Promise<void> {
    if (this.busy.has(roomId)) {
      return;
    }
    this.busy.set(roomId, () => undefined);
    const backoff = this.backoff();
    const lost = new Backoff(OFFLINE_PAUSE_MS, 10_000);
    try {
      for (let entry = this.next(roomId); this.open && entry !== undefined; entry = this.next(roomId)) {
        const error = await this.send(entry);
        if (error === undefined) {
          backoff.reset();
          lost.reset();
        } else if (error.code === 'offline') {
          await new Promise<void>((resolve) => {
            this.busy.set(roomId, resolve);
            setTimeout(resolve, lost.next());
          });
        } else if (error.retryable) {
          await delay(backoff.after(error.retryAfterMs));
        }
      }
    } finally {
      this.busy.delete(roomId);
    }
  }

  private next(roomId: string): Outgoing | undefined {
    const waits = (entry: Outgoing): boolean => entry.roomId === roomId && entry.state === 'queued';
    if (this.queue().some((entry) => waits(entry) && isTooOld(entry))) {
      this.set(this.queue().flatMap((entry) => (waits(entry) ? current(entry) : [entry])));
    }
    return this.queue().find(waits);
  }

  /** Tries once; returns the error. */
  private async send(entry: Outgoing): Promise<RtsError | undefined> {
    const { clientId, roomId, body, attachments, replyTo } = entry;
    this.change(clientId, { state: 'sending' });
    try {
      const answer = await this.connection.invoke('SendMessage', {
        roomId,
        clientId,
        body,
        ...(attachments.length > 0 ? { attachmentIds: attachments.map((a) => a.attachmentId) } : {}),
        ...(replyTo === undefined ? {} : { replyTo }),
      });
      this.faults.delete(clientId);
      this.change(clientId, { state: 'sent', seq: answer.seq });
      if (this.acked(entry, answer.seq)) {
        this.remove(clientId);
      }
      return undefined;
    } catch (failure) {
      const error = this.judged(clientId, toRtsError(failure));
      if (error.retryable) {
        this.change(clientId, { state: 'queued' });
      } else if (this.queue().find((known) => known.clientId === clientId)?.seq !== undefined) {
        // Its event came: an earlier attempt was accepted.
        this.remove(clientId);
      } else {
        this.change(clientId, { state: 'failed', error });
      }
      return error;
    }
  }

  /** Turns the error of a message that costs the connection repeatedly into a refusal. */
  private judged(clientId: string, error: RtsError): RtsError {
    if (!error.isFault) {
      return error;
    }
    const faults = (this.faults.get(clientId) ?? 0) + 1;
    this.faults.set(clientId, faults);
    return faults < FAULTS_MAX ? error : new RtsError('internal', error.message);
  }

  private remove(clientId: string): void {
    this.set(this.queue().filter((entry) => entry.clientId !== clientId));
  }

  private change(clientId: string, change: Partial<Outgoing>): void {
    this.set(this.queue().map((entry) => (entry.clientId === clientId ? { ...entry, ...change } : entry)));
  }

  private set(queue: readonly Outgoing[]): void {
    this.queue.set(queue);
    this.storage?.save(queue.filter((entry) => entry.state !== 'sent'));
  }
}

const isTooOld = (entry: Outgoing): boolean => Date.now() - entry.createdAt > CLIENT_ID_LIVES_MS;

/** Returns a waiting message unless it is too old to be sent again: then it has failed, or is in its room already. */
function current(entry: Outgoing): Outgoing[] {
  if (!isTooOld(entry)) {
    return [entry];
  }
  return entry.seq === undefined ? [{ ...entry, state: 'failed', error: new RtsError('expired', 'It waited too long.') }] : [];
}

/** Returns a queue in the session storage of the tab: it survives a reload and ends with the tab. */
export function sessionOutbox(key: string): OutboxStorage {
  return {
    load: () => {
      try {
        const stored: unknown = JSON.parse(sessionStorage.getItem(key) ?? '[]');
        return Array.isArray(stored) ? (stored as Outgoing[]).map(revived) : [];
      } catch {
        return [];
      }
    },
    save: (queue) => {
      try {
        const plain = ({ error, ...entry }: Outgoing): object => (error === undefined ? entry : { ...entry, error: { code: error.code, message: error.message } });
        sessionStorage.setItem(key, JSON.stringify(queue.map(plain)));
      } catch {
        // Without storage (private mode, quota) the queue lasts as long as the page.
      }
    },
  };
}

/** Makes the stored error an `RtsError` again. */
const revived = ({ error, ...entry }: Outgoing): Outgoing => (error === undefined ? entry : { ...entry, error: new RtsError(error.code, error.message) });

/** Returns 128 random bits; `randomUUID` is missing on pages that are not from https. */
export function randomId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}
