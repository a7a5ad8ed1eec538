// The built app in a folder behind a proxy, and sign-in there by OpenID Connect. There is no gateway: chats are tested elsewhere.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { launch } from './browser.mjs';
import { issuer } from './issuer.mjs';
import { serve } from './serve.mjs';
import { open, until } from './support.mjs';

const PERSON = { userId: 'haneul', orgId: 'hanbit', name: '이하늘' };
let id;
let browser;
let app;

before(async () => {
  browser = await launch();
  id = await issuer(PERSON);
  app = await serve('dist', { below: '/chat/', files: id.url, settings: { auth: { kind: 'oidc', issuer: id.url, clientId: 'rts-web' } } });
});
after(async () => {
  await browser?.close();
  app?.close();
  id?.close();
});

test('all requests of the app stay in its folder', async () => {
  const dev = await serve('dist', { below: '/chat/' });
  const page = await open(browser, `${dev.url}/`);
  await page.locator('input[name=userId]').fill('ann');
  await page.locator('form button').click();
  await page.getByText('This server does not offer a sign-in here.').waitFor();
  assert.ok(dev.paths.includes('/chat/config.json') && dev.paths.includes('/chat/dev/token'), String(dev.paths));
  assert.deepEqual(dev.paths.filter((path) => !path.startsWith('/chat/')), []);
  assert.deepEqual(page.complaints, []);
  await page.context().close();
  dev.close();
});

test('a deep link survives the sign-in, and a reload signs in silently', async () => {
  const place = '#/rooms/g_0123456789012345678901';
  const page = await open(browser, `${app.url}/${place}`);
  const signedIn = () => page.locator('.account', { hasText: '이하늘' }).waitFor();
  await page.getByRole('button', { name: 'Continue with your organization' }).click();
  await signedIn();
  assert.equal(page.url(), `${app.url}/${place}`);
  assert.ok(app.paths.includes('/chat/hubs/chat/negotiate'), 'the hub is in the folder, too');
  await page.reload();
  await signedIn();
  assert.equal(page.url(), `${app.url}/${place}`);
  assert.deepEqual(id.prompts, ['login', 'none']);
  const stored = await page.evaluate(() => JSON.stringify([{ ...localStorage }, { ...sessionStorage }]));
  assert.ok(!stored.includes('eyJ'), 'no token is stored');

  // After the issuer's session ends, the user is asked to sign in, and returns to the same place.
  await page.context().clearCookies();
  await page.reload();
  await page.getByRole('button', { name: 'Continue with your organization' }).waitFor();
  assert.equal(page.url(), `${app.url}/${place}`);
  await page.reload();
  await page.getByRole('button', { name: 'Continue with your organization' }).click();
  await signedIn();
  assert.deepEqual(id.prompts, ['login', 'none', 'none', 'login']);

  // After signing out, the user stays signed out.
  await page.getByRole('button', { name: 'Settings' }).click();
  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.getByRole('button', { name: 'Continue with your organization' }).waitFor();
  await page.reload();
  await page.getByRole('button', { name: 'Continue with your organization' }).waitFor();
  await until(() => id.prompts.length === 4, 'the issuer was not asked again');
  assert.deepEqual(page.complaints, []);
  await page.context().close();
});
