import { RtsError } from '../rts';
import { AppConfig } from './config';

/** Who is signed in, and their tokens. */
export interface Identity {
  userId: string;
  orgId: string;
  name: string;
  /** A token that is valid for a while; a new one when the last is about to end, or was refused. */
  token(fresh?: boolean): Promise<string>;
}

/** What a token says; only for show, the gateway checks it. */
export interface Claims {
  userId: string;
  orgId: string;
  name: string;
  expiresAtMs: number;
}

/** What it means that a token is not given: a refusal ends the sign-in, a fault or too many questions do not. */
export function refusedToken(status: number): Error {
  const again = status >= 500 || status === 408 || status === 429;
  const sentence = `The sign-in answered ${status}.`;
  return again ? new Error(sentence) : new RtsError('unauthorized', sentence);
}

/** Reads the claims of a JWT without checking it. */
export function readClaims(token: string, names: AppConfig['claims']): Claims {
  const part = (token.split('.')[1] ?? '').replaceAll('-', '+').replaceAll('_', '/');
  const bytes = Uint8Array.from(atob(part), (char) => char.charCodeAt(0));
  const claims = JSON.parse(new TextDecoder().decode(bytes)) as Record<string, unknown>;
  const text = (name: string): string => (typeof claims[name] === 'string' ? claims[name] : '');
  const userId = text(names.user);
  if (userId === '') {
    throw new Error('The token names no user.');
  }
  const exp = claims['exp'];
  return { userId, orgId: text(names.org), name: text(names.name) || userId, expiresAtMs: typeof exp === 'number' ? exp * 1_000 : Infinity };
}

/** An identity whose tokens are fetched when needed, one request at a time. */
export function identityFrom(first: string, names: AppConfig['claims'], fetchToken: () => Promise<string>): Identity {
  let { userId, orgId, name, expiresAtMs } = readClaims(first, names);
  let current = first;
  let pending: Promise<string> | undefined;
  const renew = async (): Promise<string> => {
    current = await fetchToken();
    expiresAtMs = readClaims(current, names).expiresAtMs;
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
