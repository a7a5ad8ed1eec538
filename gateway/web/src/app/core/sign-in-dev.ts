import { AppConfig } from './config';
import { RtsError } from '../rts';
import { Identity, identityFrom, refusedToken } from './identity';

export interface DevUser {
  userId: string;
  orgId: string;
  name: string;
}

/** The gateway does not have the endpoint, which is for development only. */
export class NotOffered extends RtsError {
  constructor() {
    super('unauthorized', 'There is no development sign-in.');
  }
}

/** The user that this tab signed in as, so that a reload does not ask again. */
const KEY = 'rts.dev-user';

export function rememberedDevUser(): DevUser | undefined {
  try {
    return JSON.parse(sessionStorage.getItem(KEY) ?? 'null') ?? undefined;
  } catch {
    return undefined;
  }
}

export function forgetDevUser(): void {
  try {
    sessionStorage.removeItem(KEY);
  } catch {
    // Without storage there is nothing to forget.
  }
}

/** Signs in by name, if the gateway offers that. */
export async function signInDev(config: AppConfig, user: DevUser): Promise<Identity> {
  const fetchToken = async (): Promise<string> => {
    const headers = { 'content-type': 'application/json' };
    const reply = await fetch(config.devTokenUrl, { method: 'POST', headers, body: JSON.stringify(user) });
    if (reply.status === 404) {
      throw new NotOffered();
    }
    if (!reply.ok) {
      throw refusedToken(reply.status);
    }
    return ((await reply.json()) as { token: string }).token;
  };
  const identity = identityFrom(await fetchToken(), config.claims, fetchToken);
  try {
    sessionStorage.setItem(KEY, JSON.stringify(user));
  } catch {
    // Without storage (private mode, quota) a reload asks again.
  }
  return identity;
}
