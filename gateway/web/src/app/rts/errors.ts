/** The codes a hub answers with, and five of this side: `offline`, `unsupported`, `unauthorized`, `expired` and `cancelled`. */
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
  /** The sign-in is over: the same person has to sign in again. */
  | 'unauthorized'
  /** It waited for longer than the server remembers a `clientId`. */
  | 'expired'
  | 'cancelled';

/** A call that failed, in terms of the contract. */
export class RtsError extends Error {
  override readonly name = 'RtsError';

  constructor(
    readonly code: ErrorCode,
    message: string,
    /** How long to wait before another try, where the server says so. */
    readonly retryAfterMs?: number,
  ) {
    super(message);
  }

  /** Whether the same call may succeed later. A send has to repeat its `clientId`. */
  get retryable(): boolean {
    return this.code === 'rateLimited' || this.code === 'unavailable' || this.code === 'offline' || this.code === 'unauthorized';
  }

  /** Whether the server, or something on the way, ended the connection for what it was sent. */
  get isFault(): boolean {
    return this.code === 'offline' && FAULT.test(this.message);
  }
}

/** What a gateway says of a record that it cannot read; and "message too big", of a proxy (RFC 6455, 7.4.1). */
const FAULT = /Connection closed with an error|status code: 1009/;

/** Refusals by HTTP: of the negotiation, of calls on transports without a socket. Any other is a lost connection. */
const STATUSES: Readonly<Record<string, ErrorCode>> = { 401: 'unauthorized', 403: 'forbidden', 413: 'tooLarge', 429: 'rateLimited' };

const CODES: ReadonlySet<string> = new Set<ErrorCode>([
  'invalidArgument', 'notFound', 'forbidden', 'tooLarge', 'rateLimited', 'archived', 'conflict', 'unavailable', 'internal',
]);

/** Reads what an invocation rejected with: `… HubException: code: sentence`, or a lost connection. */
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
  if (/^Method does not exist/i.test(told)) {
    return new RtsError('unsupported', told);
  }
  const [, code, sentence] = /^(\w+): ([\s\S]*)$/.exec(told) ?? [];
  if (code === undefined || !CODES.has(code)) {
    return new RtsError('internal', told);
  }
  const wait = /retryAfterMs=(\d+)/.exec(sentence ?? '')?.[1];
  return new RtsError(code as ErrorCode, sentence ?? '', wait === undefined ? undefined : Number(wait));
}
