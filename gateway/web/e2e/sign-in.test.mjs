// Signing in as in production, on real gateways without the development login: by OpenID Connect, and through an embedding page.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { launch } from './browser.mjs';
import { Cluster } from './cluster.mjs';
import { issuer } from './issuer.mjs';
import { assertAccessible, open, until } from './support.mjs';

// Tokens are renewed 20 seconds before they expire: these immediately.
const PERSON = { userId: 'haneul', orgId: 'hanbit', name: '이하늘' };
let id;
let cluster;
let browser;

before(async () => {
  id = await issuer(PERSON, { lifeSeconds: 15 });
  const variables = {
    RTS_JWT_SECRET: '', RTS_JWKS_URL: `${id.url}/keys`, RTS_JWT_ISSUER: id.url, RTS_JWT_AUDIENCE: 'rts', RTS_DEV_LOGIN: 'false',
    RTS_WEB_OIDC_ISSUER: id.url, RTS_WEB_OIDC_CLIENT_ID: 'rts-web',
  };
  const environment = Object.entries(variables).flatMap(([name, value]) => ['--env', `gateway:${name}=${value}`]);
  cluster = await Cluster.start('--nodes', '1', ...environment);
  browser = await launch();
});
after(async () => {
  await browser?.close();
  await cluster?.stop();
  id?.close();
});

test('OpenID Connect signs in, and tokens are renewed before they expire', async () => {
  const page = await open(browser, cluster.web, { lang: 'ko' });
  const button = page.getByRole('button', { name: '조직 계정으로 계속하기' });
  await button.waitFor();
  await assertAccessible(page, 'the sign-in');
  await button.click();
  await page.locator('.account', { hasText: '이하늘' }).waitFor();
  assert.equal(new URL(page.url()).search, '', 'the code is not left in the address');
  await page.getByText('아직 대화가 없습니다.').waitFor();
  // The socket ends with its token; the next one uses a new token.
  await until(() => id.grants.filter((grant) => grant === 'refresh_token').length >= 2, 'tokens are renewed', 40_000);
  assert.equal(id.grants[0], 'authorization_code');
  await page.locator('.account').waitFor();
  assert.deepEqual(page.complaints, []);
  const stored = await page.evaluate(() => JSON.stringify([{ ...localStorage }, { ...sessionStorage }]));
  assert.ok(!stored.includes('eyJ'), 'no token is stored');
  await page.context().close();
});

test('the embedding page signs in, and no other page can', async () => {
  const frame = `<!doctype html><title>Portal</title><iframe title="Chat" src="${cluster.web}" width="1000" height="700"></iframe>
    <script>addEventListener('message', async (event) => {
      if (event.data?.type !== 'rts:tokenRequest') return;
      const { token } = await (await fetch('/host-token')).json();
      event.source.postMessage({ type: 'rts:token', token }, event.origin);
    })</script>`;
  id.host(frame);
  for (const pair of ['RTS_WEB_OIDC_ISSUER=', `RTS_WEB_HOST_ORIGIN=${id.url}`]) await cluster.command(`env gateway-1 ${pair}`);
  await cluster.command('stop gateway-1');
  await cluster.command('start gateway-1');
  const other = await issuer(PERSON, { page: frame });
  const page = await open(browser, `${id.url}/host`);
  await page.frameLocator('iframe').locator('.account', { hasText: '이하늘' }).waitFor();
  assert.deepEqual(page.complaints, []);
  await page.goto(`${other.url}/host`);
  await until(() => page.complaints.some((text) => text.includes('frame-ancestors')), 'a foreign page may not frame it');
  assert.equal(await page.frameLocator('iframe').locator('rts-app').count(), 0);
  await page.context().close();
  other.close();
  const alone = await open(browser, cluster.web);
  await alone.getByText('Signing in did not work.').waitFor();
  await alone.context().close();
});
