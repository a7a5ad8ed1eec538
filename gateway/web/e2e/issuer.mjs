// An OpenID Connect issuer for tests: every visitor is its one user. It checks what a real issuer would.
import { createHash, createSign, generateKeyPairSync, randomUUID } from 'node:crypto';
import { createServer } from 'node:http';

const base64url = (value) => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');

/** Starts an issuer on a free port. `page` is served at `/host`; `lifeSeconds` is the lifetime of a token. */
export async function issuer(person, { page = '', lifeSeconds = 600 } = {}) {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const codes = new Map();
  const grants = [];
  const prompts = [];
  let url;
  const token = () => {
    const now = Math.floor(Date.now() / 1_000);
    const claims = { iss: url, aud: 'rts', sub: person.userId, org: person.orgId, name: person.name, iat: now, exp: now + lifeSeconds };
    const signed = `${base64url({ alg: 'RS256', kid: 'one' })}.${base64url(claims)}`;
    return `${signed}.${createSign('RSA-SHA256').update(signed).sign(privateKey).toString('base64url')}`;
  };
  const routes = {
    '/.well-known/openid-configuration': () => ({ issuer: url, authorization_endpoint: `${url}/authorize`, token_endpoint: `${url}/token`, jwks_uri: `${url}/keys` }),
    '/keys': () => ({ keys: [{ ...publicKey.export({ format: 'jwk' }), kid: 'one', alg: 'RS256', use: 'sig' }] }),
    '/host-token': () => ({ token: token() }),
    '/token': (form) => {
      grants.push(form.get('grant_type'));
      const asked = codes.get(form.get('code'));
      const proven = createHash('sha256').update(form.get('code_verifier') ?? '').digest('base64url');
      const known = asked !== undefined && asked.challenge === proven && asked.redirect === form.get('redirect_uri');
      // A code is valid once.
      codes.delete(form.get('code'));
      if (form.get('client_id') !== 'rts-web' || !(known || form.get('refresh_token') === 'again')) return undefined;
      return { access_token: token(), refresh_token: 'again', token_type: 'Bearer', expires_in: lifeSeconds };
    },
  };
  const server = createServer(async (request, response) => {
    const { pathname, searchParams } = new URL(request.url, url);
    if (pathname === '/authorize') {
      prompts.push(searchParams.get('prompt') ?? 'login');
      const back = new URL(searchParams.get('redirect_uri'));
      back.searchParams.set('state', searchParams.get('state'));
      // The issuer's own session, which a silent sign-in requires.
      if (searchParams.get('prompt') === 'none' && !request.headers.cookie?.includes('issuer-session')) {
        back.searchParams.set('error', 'login_required');
        response.writeHead(302, { location: back.href }).end();
        return;
      }
      const code = randomUUID();
      codes.set(code, { challenge: searchParams.get('code_challenge'), redirect: searchParams.get('redirect_uri') });
      back.searchParams.set('code', code);
      response.writeHead(302, { location: back.href, 'set-cookie': 'issuer-session=1; Path=/; SameSite=Lax' }).end();
    } else if (pathname === '/host') {
      response.writeHead(200, { 'content-type': 'text/html' }).end(page);
    } else {
      let body = '';
      for await (const part of request) body += part;
      const answer = routes[pathname]?.(new URLSearchParams(body));
      response.writeHead(answer === undefined ? 400 : 200, { 'content-type': 'application/json', 'access-control-allow-origin': '*' });
      response.end(JSON.stringify(answer ?? { error: 'invalid_grant' }));
    }
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${server.address().port}`;
  return { url, grants, prompts, host: (html) => (page = html), close: () => { server.closeAllConnections(); server.close(); } };
}
