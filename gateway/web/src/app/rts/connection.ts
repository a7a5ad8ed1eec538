import { Signal, signal } from '@angular/core';
import { Backoff } from './backoff';
import { Answer, EventName, Events, Method, Request, StreamMethod, Streams } from './contract';
import { RtsError, toRtsError } from './errors';
import { HubLink } from './link';

/** `ended` is final: `stop` was called. */
export type ConnectionState = 'idle' | 'connecting' | 'online' | 'waiting' | 'ended';

export interface ConnectionOptions {
  /** How long a call may take before it counts as lost. */
  callTimeoutMs?: number;
  backoff?: Backoff;
}

/**
 * A hub connection that comes back for ever, with jitter, and calls that speak the contract.
 *
 * It knows nothing of rooms; `onUp` is told each time a fresh connection stands.
 */
export class RtsConnection {
  private readonly stateSignal = signal<ConnectionState>('idle');
  private readonly missingSignal = signal<ReadonlySet<Method | StreamMethod>>(new Set());
  private readonly retryAtSignal = signal<number | undefined>(undefined);
  private readonly backoff: Backoff;
  private readonly callTimeoutMs: number;
  private wake: (() => void) | undefined;
  private up: (generation: number) => void = () => undefined;
  private down: () => void = () => undefined;
  private generation = 0;

  readonly state: Signal<ConnectionState> = this.stateSignal.asReadonly();
  /** When the next attempt starts, in ms since 1970, while `waiting`. */
  readonly retryAt: Signal<number | undefined> = this.retryAtSignal.asReadonly();

  constructor(
    private readonly link: HubLink,
    options: ConnectionOptions = {},
  ) {
    this.backoff = options.backoff ?? new Backoff();
    this.callTimeoutMs = options.callTimeoutMs ?? 30_000;
    link.onClose(() => this.closed());
  }

  /** Called with a new number whenever a fresh connection stands. */
  onUp(handler: (generation: number) => void): void {
    this.up = handler;
  }

  /** Whether `generation` is the connection that stands now. */
  isCurrent(generation: number): boolean {
    return this.generation === generation && this.stateSignal() === 'online';
  }

  /** Called whenever a connection is lost. */
  onDown(handler: () => void): void {
    this.down = handler;
  }

  start(): void {
    if (this.stateSignal() === 'idle') {
      void this.connect();
    }
  }

  async stop(): Promise<void> {
    this.stateSignal.set('ended');
    this.wake?.();
    await this.link.stop();
  }

  /** Ends a wait between two attempts, for when the network is known to be back. */
  retryNow(): void {
    this.wake?.();
  }

  on<E extends EventName>(event: E, handler: (payload: Events[E]) => void): void {
    this.link.on(event, handler as (payload: never) => void);
  }

  /**
   * Whether the server has a method, as far as is known: true until a call of it was refused as unknown.
   * A fresh connection may be to a newer node, so that knowledge ends with the connection.
   */
  supports(method: Method | StreamMethod): boolean {
    return !this.missingSignal().has(method);
  }

  /** Calls a method; rejects with an `RtsError`. */
  async invoke<M extends Method>(method: M, request: Request<M>): Promise<Answer<M>> {
    this.check(method);
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
   * The items of a stream, each as it comes; fails with an `RtsError`. Leaving the loop cancels it. The connection
   * may end before the stream does: whoever reads it knows where to go on.
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

  /** What a call failed with; a method that the server does not know is remembered. */
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
      } catch {
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

  /** A connection that works resets the waits; one that falls at once does not. */
  confirm(): void {
    this.backoff.reset();
  }

  private closed(): void {
    if (this.stateSignal() !== 'online') {
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
