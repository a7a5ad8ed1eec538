/** The codes a hub answers with, and three of this side: `offline`, `unsupported` and `cancelled`. */
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
    return this.code === 'rateLimited' || this.code === 'unavailable' || this.code === 'offline';
  }
}

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
    return / on the server\.?$/.test(text) ? new RtsError('internal', text) : new RtsError('offline', text);
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
