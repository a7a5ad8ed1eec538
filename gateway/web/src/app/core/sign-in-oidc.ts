import { AppConfig, AuthConfig } from './config';
import { RtsError } from '../rts';
import { Identity, identityFrom, refusedToken } from './identity';
import { forget, remember, remembered } from './storage';

type OidcConfig = Extract<AuthConfig, { kind: 'oidc' }>;

interface Endpoints {
  issuer: string;
  authorization_endpoint: string;
  token_endpoint: string;
}

interface Tokens {
  access_token?: string;
  id_token?: string;
  refresh_token?: string;
}

/** What has to survive the way to the sign-in page and back. */
interface Kept {
  state: string;
  verifier: string;
  /** Where in the app one was. */
  hash: string;
  /** Nobody was to be asked anything. */
  silent: boolean;
}
const KEY = 'rts.oidc';
/** The issuer by which somebody signed in here, and did not sign out since. */
const ISSUER = 'oidc-issuer';

/** From now on a reload asks who is there. */
export function forgetOidc(): void {
  forget(ISSUER);
}

/**
 * Signs in by OpenID Connect: authorization code with PKCE (RFC 7636), state checked, tokens held in memory only.
 * After a reload the issuer is asked for new ones without a word to the user (`prompt=none`), as long as its own session
 * lasts. Returns `undefined` when somebody has to say who they are: then `redirectToOidc` is next.
 */
export async function resumeOidc(config: AppConfig, auth: OidcConfig): Promise<Identity | undefined> {
  const query = new URLSearchParams(location.search);
  const kept = JSON.parse(sessionStorage.getItem(KEY) ?? 'null') as Kept | null;
  if (!query.has('state')) {
    return remembered(ISSUER) === auth.issuer ? redirectToOidc(auth, true) : undefined;
  }
  if (kept === null) {
    return undefined;
  }
  sessionStorage.removeItem(KEY);
  history.replaceState(null, '', redirectUri() + kept.hash);
  dispatchEvent(new Event('hashchange'));
  const code = query.get('code');
  if (query.get('state') !== kept.state || code === null) {
    forgetOidc();
    if (query.get('state') === kept.state && kept.silent) {
      return undefined;
    }
    throw new Error(query.get('error') ?? 'The answer does not belong to this sign-in.');
  }
  const { token_endpoint } = await discover(auth);
  const exchange = (form: Record<string, string>): Promise<Tokens> => post(token_endpoint, { client_id: auth.clientId, ...form });
  let tokens = await exchange({ grant_type: 'authorization_code', code, code_verifier: kept.verifier, redirect_uri: redirectUri() });
  const chosen = (): string => {
    const token = tokens[auth.token ?? 'access_token'];
    if (token === undefined) {
      throw new Error('The issuer gave no such token.');
    }
    return token;
  };
  const identity = identityFrom(chosen(), config.claims, async () => {
    const { refresh_token } = tokens;
    if (refresh_token === undefined) {
      // Leaving the page unasked could cost what is being written.
      throw new RtsError('unauthorized', 'The issuer gave nothing to renew the token by.');
    }
    tokens = { refresh_token, ...(await exchange({ grant_type: 'refresh_token', refresh_token })) };
    return chosen();
  });
  remember(ISSUER, auth.issuer);
  return identity;
}

/** Leaves for the issuer's sign-in page; `silent` where it shall answer by itself. */
export async function redirectToOidc(auth: OidcConfig, silent = false): Promise<never> {
  const { authorization_endpoint } = await discover(auth);
  const [state, verifier] = [random(), random()];
  const kept: Kept = { state, verifier, hash: location.hash, silent };
  sessionStorage.setItem(KEY, JSON.stringify(kept));
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(verifier));
  const url = new URL(authorization_endpoint);
  const wanted = {
    response_type: 'code',
    client_id: auth.clientId,
    redirect_uri: redirectUri(),
    scope: auth.scope ?? 'openid profile',
    state,
    code_challenge: base64url(new Uint8Array(digest)),
    code_challenge_method: 'S256',
    ...(silent ? { prompt: 'none' } : {}),
  };
  Object.entries(wanted).forEach(([name, value]) => url.searchParams.set(name, value));
  location.assign(url);
  return new Promise<never>(() => undefined);
}

async function discover(auth: OidcConfig): Promise<Endpoints> {
  const issuer = auth.issuer.replace(/\/$/, '');
  const reply = await fetch(`${issuer}/.well-known/openid-configuration`);
  const found = (await reply.json()) as Endpoints;
  if (!reply.ok || found.issuer.replace(/\/$/, '') !== issuer) {
    throw new Error('The issuer does not describe itself.');
  }
  return found;
}

async function post(url: string, form: Record<string, string>): Promise<Tokens> {
  const reply = await fetch(url, { method: 'POST', body: new URLSearchParams(form) });
  if (!reply.ok) {
    throw refusedToken(reply.status);
  }
  return (await reply.json()) as Tokens;
}

/** The app's own address, without query and hash. */
const redirectUri = (): string => new URL('.', document.baseURI).href;

const random = (): string => base64url(crypto.getRandomValues(new Uint8Array(32)));

const base64url = (bytes: Uint8Array): string =>
  btoa(String.fromCharCode(...bytes)).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
