import { Signal, signal } from '@angular/core';
import { Backoff, delay } from './backoff';
import { Answer, EventName, Events, Method, Request, StreamMethod, Streams } from './contract';
import { RtsError, toRtsError } from './errors';
import { HubLink } from './link';

/** `refused`: the sign-in is over, and there are no retries until `restart`. `ended` is final, after `stop`. */
export type ConnectionState = 'idle' | 'connecting' | 'online' | 'waiting' | 'refused' | 'ended';

/** The largest record that a server reads; a larger one may cost the connection. */
const RECORD_BYTES_MAX = 256 * 1024;
/** A connection that lasts this long resets the waits. */
const STEADY_MS = 5_000;
/** Deadline for a doubted connection to answer. */
const DOUBT_MS = 4_000;
/** Bytes that SignalR adds to a request: type, target, number, separator. */
const ENVELOPE_BYTES = 100;
/** The gateway's reasons when a user has too many connections, and when their sessions are ended. */
const CROWDED = /too many connections/;
const REVOKED = /Access was revoked/;

export interface ConnectionOptions {
  /** Time until a call counts as lost. */
  callTimeoutMs?: number;
  backoff?: Backoff;
  /** The largest call, as a record; `RTS_LIMIT_RECORD_BYTES` of the server. */
  recordBytesMax?: number;
}

/**
 * A hub connection that reconnects without limit, with jitter, and makes calls in terms of the contract.
 *
 * It has no notion of rooms; `onUp` runs each time a new connection is up.
 */
export class RtsConnection {
  private readonly stateSignal = signal<ConnectionState>('idle');
  private readonly missingSignal = signal<ReadonlySet<Method | StreamMethod>>(new Set());
  private readonly crowdedSignal = signal(false);
  private readonly doubtedSignal = signal(false);
  private readonly retryAtSignal = signal<number | undefined>(undefined);
  private readonly backoff: Backoff;
  private readonly callTimeoutMs: number;
  private readonly recordBytesMax: number;
  private steady: ReturnType<typeof setTimeout> | undefined;
  private wake: (() => void) | undefined;
  private up: (generation: number) => void = () => undefined;
  private down: () => void = () => undefined;
  private generation = 0;

  readonly state: Signal<ConnectionState> = this.stateSignal.asReadonly();
  /** True if the network is reported lost and the server has not answered since. */
  readonly doubted: Signal<boolean> = this.doubtedSignal.asReadonly();
  /** True if this connection was closed because the user has the maximum number of them. */
  readonly crowded: Signal<boolean> = this.crowdedSignal.asReadonly();
  /** Time of the next attempt, in ms since 1970, while `waiting`. */
  readonly retryAt: Signal<number | undefined> = this.retryAtSignal.asReadonly();

  constructor(
    private readonly link: HubLink,
    options: ConnectionOptions = {},
  ) {
    this.backoff = options.backoff ?? new Backoff();
    this.callTimeoutMs = options.callTimeoutMs ?? 30_000;
    this.recordBytesMax = options.recordBytesMax ?? RECORD_BYTES_MAX;
    link.onClose((error) => this.closed(error));
  }

  /** Sets the handler that is called with a new number whenever a new connection is up. */
  onUp(handler: (generation: number) => void): void {
    this.up = handler;
  }

  /** True if `generation` is the present connection. */
  isCurrent(generation: number): boolean {
    return this.generation === generation && this.stateSignal() === 'online';
  }

  /** Sets the handler that is called whenever a connection is lost. */
  onDown(handler: () => void): void {
    this.down = handler;
  }

  start(): void {
    if (this.stateSignal() === 'idle') {
      void this.connect();
    }
  }

  /** Connects again after the user has signed in again. */
  restart(): void {
    if (this.stateSignal() === 'refused') {
      void this.connect();
    }
  }

  async stop(): Promise<void> {
    this.stateSignal.set('ended');
    this.wake?.();
    await this.link.stop();
  }

  /**
   * Checks the connection when the network is reported lost or changed: asks the server, and closes the connection if
   * there is no answer. The socket alone would notice half a minute later.
   */
  async doubt(): Promise<void> {
    if (this.stateSignal() !== 'online' || this.doubtedSignal()) {
      return;
    }
    const { generation } = this;
    this.doubtedSignal.set(true);
    const asked = this.link.invoke('ListRooms', { limit: 1 }).then(
      () => true,
      (failure: unknown) => toRtsError(failure).code !== 'offline',
    );
    const answered = await Promise.race([asked, delay(DOUBT_MS).then(() => false)]);
    if (this.isCurrent(generation)) {
      this.doubtedSignal.set(false);
      if (!answered) {
        await this.link.stop();
        this.closed();
      }
    }
  }

  /** Ends a wait between two attempts, when the network is known to be back. */
  retryNow(): void {
    this.wake?.();
  }

  on<E extends EventName>(event: E, handler: (payload: Events[E]) => void): void {
    this.link.on(event, handler as (payload: never) => void);
  }

  /**
   * True unless a call of the method was refused as unknown. A new connection may reach a newer node, so this is
   * forgotten with the connection.
   */
  supports(method: Method | StreamMethod): boolean {
    return !this.missingSignal().has(method);
  }

  /** Calls a method; rejects with an `RtsError`. */
  async invoke<M extends Method>(method: M, request: Request<M>): Promise<Answer<M>> {
    this.check(method);
    this.measure(method, request);
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new RtsError('unavailable', `${method} was not answered.`)), this.callTimeoutMs);
    });
    try {
      return (await Promise.race([this.link.invoke(method, request), late])) as Answer<M>;
    } catch (failure) {
      throw this.failed(method, failure);
    } finally {
      clearTimeout(timer);
    }
  }

  /**
   * Yields the items of a stream as they arrive; fails with an `RtsError`. Leaving the loop cancels it. The connection
   * may end before the stream does: the caller has to know where to continue.
   */
  async *stream<S extends StreamMethod>(method: S, request: Streams[S][0]): AsyncGenerator<Streams[S][1]> {
    this.check(method);
    try {
      yield* this.link.stream(method, request) as AsyncIterable<Streams[S][1]>;
    } catch (failure) {
      throw this.failed(method, failure);
    }
  }

  private check(method: Method | StreamMethod): void {
    if (this.stateSignal() !== 'online') {
      throw new RtsError('offline', 'There is no connection.');
    }
    if (!this.supports(method)) {
      throw new RtsError('unsupported', `The server has no ${method}.`);
    }
  }

  /** Rejects a call larger than the server reads: it would cost the connection, and each later one. */
  private measure(method: Method, request: object): void {
    const bytes = new TextEncoder().encode(JSON.stringify(request)).length + ENVELOPE_BYTES;
    if (bytes > this.recordBytesMax) {
      throw new RtsError('tooLarge', `A call of ${method} has ${bytes} bytes; ${this.recordBytesMax} are read.`);
    }
  }

  /** Converts the failure of a call; remembers a method that the server does not know. */
  private failed(method: Method | StreamMethod, failure: unknown): RtsError {
    const error = toRtsError(failure);
    if (error.code === 'unsupported') {
      this.missingSignal.update((known) => new Set(known).add(method));
    }
    return error;
  }

  private async connect(): Promise<void> {
    while (this.stateSignal() !== 'ended') {
      this.stateSignal.set('connecting');
      try {
        await this.link.start();
      } catch (failure) {
        if (toRtsError(failure).code === 'unauthorized') {
          this.refused();
          return;
        }
        await this.pause();
        continue;
      }
      if ((this.stateSignal() as ConnectionState) === 'ended') {
        await this.link.stop();
        return;
      }
      this.generation += 1;
      this.missingSignal.set(new Set());
      this.stateSignal.set('online');
      this.up(this.generation);
      return;
    }
  }

  /** Notes that the connection works. If it lasts, the waits are reset; if it breaks soon, they are not. */
  confirm(): void {
    clearTimeout(this.steady);
    this.steady = setTimeout(() => this.backoff.reset(), STEADY_MS);
  }

  private refused(): void {
    if (this.stateSignal() !== 'ended') {
      this.stateSignal.set('refused');
    }
  }

  private closed(error?: Error): void {
    clearTimeout(this.steady);
    this.doubtedSignal.set(false);
    if (this.stateSignal() !== 'online') {
      return;
    }
    this.crowdedSignal.set(CROWDED.test(error?.message ?? ''));
    if (REVOKED.test(error?.message ?? '')) {
      this.refused();
      this.down();
      return;
    }
    this.stateSignal.set('waiting');
    this.down();
    void this.pause().then(() => this.connect());
  }

  private async pause(): Promise<void> {
    if (this.stateSignal() === 'ended') {
      return;
    }
    const ms = this.backoff.next();
    this.stateSignal.set('waiting');
    this.retryAtSignal.set(Date.now() + ms);
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.wake = undefined;
    this.retryAtSignal.set(undefined);
  }
}
