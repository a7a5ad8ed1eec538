import { toRtsError } from './errors';
import { Backoff } from './backoff';
import { hubError } from './testing/fake-hub';

describe('toRtsError', () => {
  it.each([
    ['notFound: There is no such room.', 'notFound', false],
    ['unavailable: Try again.', 'unavailable', true],
    ['rateLimited: Too fast. retryAfterMs=250', 'rateLimited', true],
    ['notFound: Method does not exist.', 'unsupported', false],
    ['Method does not exist.', 'unsupported', false],
    ['something: else', 'internal', false],
  ])('reads %s', (text, code, retryable) => {
    const error = toRtsError(hubError('GetRoom', text));
    expect([error.code, error.retryable]).toEqual([code, retryable]);
  });

  it('reads a lost connection as offline and a server fault as internal', () => {
    expect(toRtsError(new Error('Invocation canceled due to the underlying connection being closed.')).code).toBe('offline');
    expect(toRtsError(new Error("An unexpected error occurred invoking 'X' on the server.")).code).toBe('internal');
    for (const code of ['rateLimited', 'unavailable']) {
      expect(toRtsError(hubError('React', `${code}: a retryAfterMs=250`)).retryAfterMs).toBe(250);
    }
  });
});

describe('a refusal outside the hub', () => {
  it.each([
    ["Failed to complete negotiation with the server: Error: : Status code '401'", 'unauthorized', true],
    ["Request Entity Too Large: Status code '413'", 'tooLarge', false],
    [": Status code '429'", 'rateLimited', true],
    [": Status code '502'", 'offline', true],
    ['Server returned an error on close: The server is going down; reconnect.', 'offline', true],
  ])('reads %s', (text, code, retryable) => {
    const error = toRtsError(new Error(text));
    expect([error.code, error.retryable, error.isFault]).toEqual([code, retryable, false]);
  });

  it('recognizes a connection that was closed because of what it sent', () => {
    for (const text of ['Server returned an error on close: Connection closed with an error.', 'WebSocket closed with status code: 1009 (too big).']) {
      expect(toRtsError(new Error(text)).isFault).toBe(true);
    }
  });
});

describe('Backoff', () => {
  it('grows to its ceiling, spread over half a step, and starts again after a reset', () => {
    const waits = (random: number): number[] => {
      const backoff = new Backoff(100, 1_000, () => random);
      return Array.from({ length: 6 }, () => backoff.next());
    };
    expect(waits(0)).toEqual([50, 100, 200, 400, 500, 500]);
    expect(waits(1)).toEqual([100, 200, 400, 800, 1_000, 1_000]);
    const backoff = new Backoff(100, 1_000, () => 1);
    backoff.next();
    backoff.reset();
    expect(backoff.next()).toBe(100);
  });

  it('waits at least as long as the server says, and up to half more', () => {
    const wait = (random: number, told?: number): number => new Backoff(100, 1_000, () => random).after(told);
    expect([wait(0, 1_500), wait(1, 1_500), wait(1, 0)]).toEqual([1_500, 2_250, 0]);
    expect([wait(0), wait(1)]).toEqual([50, 100]);
  });
});
