import { HubConnectionBuilder, HttpTransportType, IStreamResult, LogLevel } from '@microsoft/signalr';
import { toRtsError } from './errors';

/** The part of a hub connection that the client needs; tests use a scripted one. */
export interface HubLink {
  start(): Promise<void>;
  stop(): Promise<void>;
  invoke(method: string, request: object): Promise<unknown>;
  /** Yields the items of a stream from the server as they arrive; leaving the loop cancels it. */
  stream(method: string, request: object): AsyncIterable<unknown>;
  on(event: string, handler: (payload: never) => void): void;
  onClose(handler: (error?: Error) => void): void;
}

/**
 * Returns a token for the next attempt to connect; a new one if `fresh`, after the last one was refused. Rejects with
 * an `RtsError` `unauthorized` if the user has to sign in again first; with any other error if a retry may help.
 */
export type TokenFactory = (fresh: boolean) => Promise<string>;

export interface LinkOptions {
  /** The hub's address. */
  url: string;
  token: TokenFactory;
  /** Log level of the SignalR client; none by default. */
  logLevel?: LogLevel;
  /** Restricts the transports, for tests and for networks without WebSockets. */
  transport?: HttpTransportType;
}

/**
 * Returns a link that uses the stock SignalR client.
 *
 * Its automatic reconnect stays off: it has no jitter, gives up after four tries, and does not cover the first start.
 * `RtsConnection` starts the same link again, so handlers stay.
 */
export function signalrLink(options: LinkOptions): HubLink {
  let fresh = false;
  let failure: unknown;
  const token = async (): Promise<string> => {
    try {
      return await options.token(fresh);
    } catch (error) {
      // The SignalR client turns the error into a sentence, which would lose its code.
      failure = error;
      throw error;
    }
  };
  const start = async (): Promise<void> => {
    failure = undefined;
    try {
      await hub.start();
    } catch (error) {
      throw toRtsError(failure ?? error);
    }
  };
  const hub = new HubConnectionBuilder()
    .withUrl(options.url, {
      accessTokenFactory: token,
      withCredentials: false,
      ...(options.transport === undefined ? {} : { transport: options.transport }),
    })
    .configureLogging(options.logLevel ?? LogLevel.None)
    .build();
  return {
    start: async () => {
      try {
        await start();
      } catch (error) {
        // The clock of this device may be wrong about the token's expiry: ask for a new token once.
        if (toRtsError(error).code !== 'unauthorized' || failure !== undefined) {
          throw error;
        }
        fresh = true;
        await start();
      } finally {
        fresh = false;
      }
    },
    stop: () => hub.stop(),
    invoke: (method, request) => hub.invoke(method, request),
    stream: (method, request) => items(hub.stream<unknown>(method, request)),
    on: (event, handler) => hub.on(event, handler as (payload: unknown) => void),
    onClose: (handler) => hub.onclose(handler),
  };
}

/** Converts the push of the SignalR client to a pull; items that were not pulled yet wait here. */
async function* items(result: IStreamResult<unknown>): AsyncGenerator<unknown> {
  const waiting: unknown[] = [];
  let over: { error?: unknown } | undefined;
  let wake: () => void = () => undefined;
  const subscription = result.subscribe({
    next: (item) => {
      waiting.push(item);
      wake();
    },
    error: (error: unknown) => {
      over = { error };
      wake();
    },
    complete: () => {
      over = {};
      wake();
    },
  });
  try {
    for (;;) {
      yield* waiting.splice(0);
      if (waiting.length > 0) {
        continue;
      }
      if (over !== undefined) {
        if ('error' in over) {
          throw over.error;
        }
        return;
      }
      await new Promise<void>((resolve) => (wake = resolve));
    }
  } finally {
    if (over === undefined) {
      subscription.dispose();
    }
  }
}
