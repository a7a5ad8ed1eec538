import { AppConfig, AuthConfig } from './config';
import { RtsError } from '../rts';
import { Identity, claimOf, identityFrom, refusedToken } from './identity';
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

/** The state that survives the redirect to the sign-in page and back. */
interface Kept {
  state: string;
  /** What the id token has to repeat: it was made for this sign-in, and is not another's that was put in its place. */
  nonce: string;
  verifier: string;
  /** The location in the app. */
  hash: string;
  /** True if the redirect was made with `prompt=none`. */
  silent: boolean;
}
const KEY = 'rts.oidc';
/** The time after which a redirect that did not happen counts as declined. */
const STAY_MS = 10_000;
/** The issuer of the last sign-in here, until the user signs out. */
const ISSUER = 'oidc-issuer';

/** Forgets the issuer, so that a reload shows the sign-in. */
export function forgetOidc(): void {
  forget(ISSUER);
}

/**
 * Signs in by OpenID Connect: authorization code with PKCE (RFC 7636), state checked, tokens in memory only. After a
 * reload it asks the issuer silently (`prompt=none`) for new ones, as long as the session there lasts. Returns
 * `undefined` if the user has to act: call `redirectToOidc` next.
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
    // The issuer's own words are anybody's who makes a link: they are not shown.
    throw new Error(query.has('error') ? 'The issuer refused the sign-in.' : 'The answer does not belong to this sign-in.');
  }
  const { token_endpoint } = await discover(auth);
  const exchange = (form: Record<string, string>): Promise<Tokens> => post(token_endpoint, { client_id: auth.clientId, ...form });
  let tokens = await exchange({ grant_type: 'authorization_code', code, code_verifier: kept.verifier, redirect_uri: redirectUri() });
  if (tokens.id_token !== undefined && (kept.nonce === undefined || claimOf(tokens.id_token, 'nonce') !== kept.nonce)) {
    throw new Error('The answer does not belong to this sign-in.');
  }
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
      // Leaving the page without asking could lose what the user is writing.
      throw new RtsError('unauthorized', 'The issuer gave nothing to renew the token by.');
    }
    tokens = { refresh_token, ...(await exchange({ grant_type: 'refresh_token', refresh_token })) };
    return chosen();
  });
  remember(ISSUER, auth.issuer);
  return identity;
}

/** Redirects to the issuer's sign-in page; `silent` forbids it to ask the user. */
export async function redirectToOidc(auth: OidcConfig, silent = false): Promise<never> {
  const { authorization_endpoint } = await discover(auth);
  const [state, nonce, verifier] = [random(), random(), random()];
  const kept: Kept = { state, nonce, verifier, hash: location.hash, silent };
  sessionStorage.setItem(KEY, JSON.stringify(kept));
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(verifier));
  const url = new URL(authorization_endpoint);
  const wanted = {
    response_type: 'code',
    client_id: auth.clientId,
    redirect_uri: redirectUri(),
    scope: auth.scope ?? 'openid profile',
    state,
    nonce,
    code_challenge: base64url(new Uint8Array(digest)),
    code_challenge_method: 'S256',
    ...(silent ? { prompt: 'none' } : {}),
  };
  Object.entries(wanted).forEach(([name, value]) => url.searchParams.set(name, value));
  location.assign(url);
  // Asked whether to leave unsent work, the user may stay.
  return new Promise<never>((_, reject) => setTimeout(() => reject(new Error('The user stayed.')), STAY_MS));
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

/** Returns the app's own address, without query and hash. */
const redirectUri = (): string => new URL('.', document.baseURI).href;

const random = (): string => base64url(crypto.getRandomValues(new Uint8Array(32)));

const base64url = (bytes: Uint8Array): string =>
  btoa(String.fromCharCode(...bytes)).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
