import { AppConfig } from './config';
import { toRtsError } from '../rts';
import { identityFrom, readClaims, refusedToken } from './identity';
import { signInHost } from './sign-in-host';
import { redirectToOidc, resumeOidc } from './sign-in-oidc';

const NAMES: AppConfig['claims'] = { user: 'sub', org: 'org', name: 'name' };
const CONFIG: AppConfig = { hubUrl: '', devTokenUrl: '', auth: { kind: 'dev' }, claims: NAMES };

function jwt(claims: object): string {
  const text = String.fromCharCode(...new TextEncoder().encode(JSON.stringify(claims)));
  return `x.${btoa(text).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')}.x`;
}

describe('identity', () => {
  it('reads names of any script from a token', () => {
    const token = jwt({ sub: 'minsu', org: 'acme', name: '김민수 ÿÿ??', exp: 5 });
    expect(readClaims(token, NAMES)).toEqual({ userId: 'minsu', orgId: 'acme', name: '김민수 ÿÿ??', expiresAtMs: 5_000 });
    expect(() => readClaims(jwt({ org: 'acme' }), NAMES)).toThrow();
  });

  it('renews a token before it expires, once for all concurrent callers', async () => {
    const soon = jwt({ sub: 'ann', exp: Date.now() / 1_000 + 5 });
    const later = jwt({ sub: 'ann', exp: Date.now() / 1_000 + 3_600 });
    const fetchToken = vi.fn(() => Promise.resolve(later));
    const identity = identityFrom(soon, NAMES, fetchToken);
    expect(await Promise.all([identity.token(), identity.token()])).toEqual([later, later]);
    expect(await identity.token()).toBe(later);
    expect(fetchToken).toHaveBeenCalledTimes(1);
  });
});

describe('a token of another person', () => {
  it.each([[{ sub: 'bob', org: 'acme' }], [{ sub: 'ann', org: 'other' }]])('ends the sign-in: %o', async (claims) => {
    const soon = jwt({ sub: 'ann', org: 'acme', exp: Date.now() / 1_000 + 5 });
    const identity = identityFrom(soon, NAMES, () => Promise.resolve(jwt({ ...claims, exp: Date.now() / 1_000 + 3_600 })));
    await expect(identity.token()).rejects.toMatchObject({ code: 'unauthorized' });
  });
});

describe('the answer of an issuer', () => {
  const auth = { kind: 'oidc', issuer: 'https://id.example', clientId: 'rts', token: 'id_token' } as const;
  const endpoints = { issuer: 'https://id.example', authorization_endpoint: 'https://id.example/a', token_endpoint: 'https://id.example/t' };
  const answer = async (claims: object, kept: object = { nonce: 'n1' }): Promise<unknown> => {
    const tokens = { id_token: jwt({ sub: 'ann', exp: Date.now() / 1_000 + 3_600, ...claims }) };
    vi.stubGlobal('fetch', vi.fn((url: string) => Promise.resolve(new Response(JSON.stringify(url.includes('well-known') ? endpoints : tokens)))));
    sessionStorage.setItem('rts.oidc', JSON.stringify({ state: 's1', verifier: 'v1', ...kept }));
    history.replaceState(null, '', '/?code=c1&state=s1');
    return resumeOidc(CONFIG, auth).finally(() => vi.unstubAllGlobals());
  };

  afterEach(() => {
    history.replaceState(null, '', '/');
    sessionStorage.clear();
    localStorage.clear();
  });

  it('has the nonce of this sign-in', async () => {
    expect(await answer({ nonce: 'n1' })).toMatchObject({ userId: 'ann' });
    for (const claims of [{ nonce: 'another' }, {}]) {
      await expect(answer(claims)).rejects.toThrow('does not belong');
    }
    await expect(answer({}, {})).rejects.toThrow('does not belong');
  });

  it('is not shown where it is an error of its own words', async () => {
    sessionStorage.setItem('rts.oidc', JSON.stringify({ state: 's1', verifier: 'v1', nonce: 'n1' }));
    history.replaceState(null, '', '/?state=s1&error=Call%20+1%20555%20now');
    await expect(resumeOidc(CONFIG, auth)).rejects.toThrow('The issuer refused the sign-in.');
  });
});

describe('a refused token', () => {
  it.each([[400, 'unauthorized'], [401, 'unauthorized'], [403, 'unauthorized'], [429, 'offline'], [500, 'offline'], [503, 'offline']])('%d: %s', (status, code) => {
    expect(toRtsError(refusedToken(status)).code).toBe(code);
  });

  it('is renewed even before it expires', async () => {
    const first = jwt({ sub: 'ann', exp: Date.now() / 1_000 + 3_600 });
    const fetchToken = vi.fn(() => Promise.resolve(jwt({ sub: 'ann', exp: Date.now() / 1_000 + 7_200 })));
    const identity = identityFrom(first, NAMES, fetchToken);
    expect(await identity.token()).toBe(first);
    expect(await identity.token(true)).not.toBe(first);
    expect(fetchToken).toHaveBeenCalledTimes(1);
  });

  it('ends the sign-in if the issuer gave no refresh token, and does not leave the page', async () => {
    const auth = { kind: 'oidc', issuer: 'https://id.example', clientId: 'rts' } as const;
    const endpoints = { issuer: 'https://id.example', authorization_endpoint: 'https://id.example/a', token_endpoint: 'https://id.example/t' };
    const tokens = { access_token: jwt({ sub: 'ann', exp: 5 }) };
    vi.stubGlobal('fetch', vi.fn((url: string) => Promise.resolve(new Response(JSON.stringify(url.includes('well-known') ? endpoints : tokens)))));
    sessionStorage.setItem('rts.oidc', JSON.stringify({ state: 's1', verifier: 'v1' }));
    history.replaceState(null, '', '/?code=c1&state=s1');
    const identity = await resumeOidc(CONFIG, auth);
    await expect(identity?.token()).rejects.toMatchObject({ code: 'unauthorized' });
    vi.unstubAllGlobals();
  });
});

describe('sign-in by the host page', () => {
  afterEach(() => delete (globalThis as { rtsHost?: unknown }).rtsHost);

  it('uses the token of window.rtsHost', async () => {
    Object.assign(globalThis, { rtsHost: { token: () => jwt({ sub: 'ann' }) } });
    expect((await signInHost(CONFIG, undefined)).userId).toBe('ann');
  });

  it('asks the parent, and accepts answers of itself from its origin only', async () => {
    const parent = { postMessage: vi.fn() };
    vi.spyOn(window, 'parent', 'get').mockReturnValue(parent as unknown as Window);
    const signedIn = signInHost(CONFIG, 'https://host.example');
    const answer = (origin: string, sub: string, source: unknown = parent): void => {
      const event = new MessageEvent('message', { origin, data: { type: 'rts:token', token: jwt({ sub }) } });
      window.dispatchEvent(Object.defineProperty(event, 'source', { value: source }));
    };
    answer('https://evil.example', 'mallory');
    // Another frame of the host's own site.
    answer('https://host.example', 'mallory', {});
    answer('https://host.example', 'ann');
    expect((await signedIn).userId).toBe('ann');
    expect(parent.postMessage).toHaveBeenCalledWith({ type: 'rts:tokenRequest' }, 'https://host.example');
    vi.restoreAllMocks();
  });
});

describe('sign-in by OpenID Connect', () => {
  const auth = { kind: 'oidc', issuer: 'https://id.example', clientId: 'rts' } as const;
  const endpoints = { issuer: 'https://id.example', authorization_endpoint: 'https://id.example/authorize', token_endpoint: 'https://id.example/token' };
  const answers = (tokens: object) =>
    vi.fn((url: string, _init?: { body?: URLSearchParams }) => Promise.resolve(new Response(JSON.stringify(url.includes('well-known') ? endpoints : tokens))));

  beforeEach(() => {
    sessionStorage.clear();
    localStorage.clear();
  });
  afterEach(() => {
    history.replaceState(null, '', '/');
    vi.unstubAllGlobals();
    vi.restoreAllMocks();
  });

  it('is not in progress without an answer in the address', async () => {
    expect(await resumeOidc(CONFIG, auth)).toBeUndefined();
  });

  it('exchanges the code with the verifier of the challenge, and cleans the address', async () => {
    const fetched = answers({ access_token: jwt({ sub: 'ann' }), refresh_token: 'r1' });
    vi.stubGlobal('fetch', fetched);
    sessionStorage.setItem('rts.oidc', JSON.stringify({ state: 's1', verifier: 'v1', hash: '#/rooms/g_1', silent: false }));
    history.replaceState(null, '', '/?code=c1&state=s1');
    const moved = vi.fn();
    addEventListener('hashchange', moved);
    expect((await resumeOidc(CONFIG, auth))?.userId).toBe('ann');
    const form = Object.fromEntries(fetched.mock.calls.at(-1)?.[1]?.body ?? []);
    expect(form).toMatchObject({ grant_type: 'authorization_code', code: 'c1', code_verifier: 'v1', client_id: 'rts' });
    removeEventListener('hashchange', moved);
    expect(location.search).toBe('');
    expect(location.hash).toBe('#/rooms/g_1');
    expect(moved).toHaveBeenCalledTimes(1);
    expect(localStorage.getItem('rts.oidc-issuer')).toBe(auth.issuer);
    expect(sessionStorage.getItem('rts.oidc')).toBeNull();
  });

  it('needs no user action after a reload, and keeps the location', async () => {
    vi.stubGlobal('fetch', answers({}));
    localStorage.setItem('rts.oidc-issuer', auth.issuer);
    history.replaceState(null, '', '/#/rooms/g_1');
    void resumeOidc(CONFIG, auth);
    await vi.waitFor(() => expect(JSON.parse(sessionStorage.getItem('rts.oidc') ?? '{}')).toMatchObject({ hash: '#/rooms/g_1', silent: true }));
  });

  it('is up to the user if the issuer has no session, and is not tried silently again', async () => {
    localStorage.setItem('rts.oidc-issuer', auth.issuer);
    sessionStorage.setItem('rts.oidc', JSON.stringify({ state: 's1', verifier: 'v1', hash: '#/rooms/g_1', silent: true }));
    history.replaceState(null, '', '/?error=login_required&state=s1');
    expect(await resumeOidc(CONFIG, auth)).toBeUndefined();
    expect(location.hash).toBe('#/rooms/g_1');
    expect(localStorage.getItem('rts.oidc-issuer')).toBeNull();
    expect(await resumeOidc(CONFIG, auth)).toBeUndefined();
  });

  it('rejects an answer to another sign-in', async () => {
    vi.stubGlobal('fetch', answers({}));
    sessionStorage.setItem('rts.oidc', JSON.stringify({ state: 's1', verifier: 'v1' }));
    history.replaceState(null, '', '/?code=c1&state=other');
    await expect(resumeOidc(CONFIG, auth)).rejects.toThrow();
  });

  it('rejects an issuer whose metadata names another one', async () => {
    vi.stubGlobal('fetch', vi.fn(() => Promise.resolve(new Response(JSON.stringify({ ...endpoints, issuer: 'https://evil.example' })))));
    await expect(redirectToOidc(auth)).rejects.toThrow();
  });
});
