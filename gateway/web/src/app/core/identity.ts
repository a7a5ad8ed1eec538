import { RtsError } from '../rts';
import { AppConfig } from './config';

/** The signed-in user, and their tokens. */
export interface Identity {
  userId: string;
  orgId: string;
  name: string;
  /** Returns a valid token: a new one if the last is about to expire, or if `fresh`, after it was refused. */
  token(fresh?: boolean): Promise<string>;
}

/** The claims of a token; for display only, the gateway checks them. */
export interface Claims {
  userId: string;
  orgId: string;
  name: string;
  expiresAtMs: number;
}

/** Converts a failed token request: a refusal ends the sign-in, a server fault or a rate limit does not. */
export function refusedToken(status: number): Error {
  const again = status >= 500 || status === 408 || status === 429;
  const sentence = `The sign-in answered ${status}.`;
  return again ? new Error(sentence) : new RtsError('unauthorized', sentence);
}

/** Returns a claim of a JWT without checking it. */
export const claimOf = (token: string, name: string): unknown => claimsOf(token)[name];

function claimsOf(token: string): Record<string, unknown> {
  const part = (token.split('.')[1] ?? '').replaceAll('-', '+').replaceAll('_', '/');
  const bytes = Uint8Array.from(atob(part), (char) => char.charCodeAt(0));
  return JSON.parse(new TextDecoder().decode(bytes)) as Record<string, unknown>;
}

/** Reads the claims of a JWT without checking it. */
export function readClaims(token: string, names: AppConfig['claims']): Claims {
  const claims = claimsOf(token);
  const text = (name: string): string => (typeof claims[name] === 'string' ? claims[name] : '');
  const userId = text(names.user);
  if (userId === '') {
    throw new Error('The token names no user.');
  }
  const exp = claims['exp'];
  return { userId, orgId: text(names.org), name: text(names.name) || userId, expiresAtMs: typeof exp === 'number' ? exp * 1_000 : Infinity };
}

/** Returns an identity whose tokens are fetched when needed, one request at a time. */
export function identityFrom(first: string, names: AppConfig['claims'], fetchToken: () => Promise<string>): Identity {
  let { userId, orgId, name, expiresAtMs } = readClaims(first, names);
  let current = first;
  let pending: Promise<string> | undefined;
  const renew = async (): Promise<string> => {
    const next = await fetchToken();
    const claims = readClaims(next, names);
    if (claims.userId !== userId || claims.orgId !== orgId) {
      // What is on the screen belongs to somebody else.
      throw new RtsError('unauthorized', 'The new token is of another person.');
    }
    current = next;
    expiresAtMs = claims.expiresAtMs;
    return current;
  };
  return {
    userId,
    orgId,
    name,
    token: (fresh = false) => {
      if (!fresh && expiresAtMs - Date.now() > 20_000) {
        return Promise.resolve(current);
      }
      pending ??= renew().finally(() => (pending = undefined));
      return pending;
    },
  };
}
