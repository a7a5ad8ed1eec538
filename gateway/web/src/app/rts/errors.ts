/** Codes of the hub, and five of the client: `offline`, `unsupported`, `unauthorized`, `expired` and `cancelled`. */
export type ErrorCode =
  | 'invalidArgument'
  | 'notFound'
  | 'forbidden'
  | 'tooLarge'
  | 'rateLimited'
  | 'archived'
  | 'conflict'
  | 'unavailable'
  | 'internal'
  | 'offline'
  | 'unsupported'
  /** The sign-in is over: the same user has to sign in again. */
  | 'unauthorized'
  /** The message waited for longer than the server remembers a `clientId`. */
  | 'expired'
  | 'cancelled';

/** A failed call, in terms of the contract. */
export class RtsError extends Error {
  override readonly name = 'RtsError';

  constructor(
    readonly code: ErrorCode,
    message: string,
    /** Time to wait before another try, if the server gave one. */
    readonly retryAfterMs?: number,
  ) {
    super(message);
  }

  /** True if the same call may succeed later. A send has to repeat its `clientId`. */
  get retryable(): boolean {
    return this.code === 'rateLimited' || this.code === 'unavailable' || this.code === 'offline' || this.code === 'unauthorized';
  }

  /** True if the server, or a proxy on the way, closed the connection because of what it sent. */
  get isFault(): boolean {
    return this.code === 'offline' && FAULT.test(this.message);
  }
}

/** Close reasons for an unreadable record, by a gateway, and for "message too big" (RFC 6455, 7.4.1), by a proxy. */
const FAULT = /Connection closed with an error|status code: 1009/;

/** Refusals by HTTP status, of the negotiation and of calls without a socket. Any other status is a lost connection. */
const STATUSES: Readonly<Record<string, ErrorCode>> = { 401: 'unauthorized', 403: 'forbidden', 413: 'tooLarge', 429: 'rateLimited' };

const CODES: ReadonlySet<string> = new Set<ErrorCode>([
  'invalidArgument', 'notFound', 'forbidden', 'tooLarge', 'rateLimited', 'archived', 'conflict', 'unavailable', 'internal',
]);

/** Converts the rejection of an invocation: `… HubException: code: sentence`, or a lost connection. */
export function toRtsError(error: unknown): RtsError {
  if (error instanceof RtsError) {
    return error;
  }
  const text = error instanceof Error ? error.message : String(error);
  const [, told] = /HubException: ([\s\S]*)$/.exec(text) ?? [];
  if (told === undefined) {
    const [, status = ''] = /Status code '(\d+)'/.exec(text) ?? [];
    return new RtsError(STATUSES[status] ?? (/ on the server\.?$/.test(text) ? 'internal' : 'offline'), text);
  }
  if (/^(notFound: )?Method does not exist/i.test(told)) {
    return new RtsError('unsupported', told);
  }
  const [, code, sentence] = /^(\w+): ([\s\S]*)$/.exec(told) ?? [];
  if (code === undefined || !CODES.has(code)) {
    return new RtsError('internal', told);
  }
  const wait = /retryAfterMs=(\d+)/.exec(sentence ?? '')?.[1];
  return new RtsError(code as ErrorCode, sentence ?? '', wait === undefined ? undefined : Number(wait));
}
