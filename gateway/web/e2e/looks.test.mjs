// The app as gateways serve it, and every look of it on a real cluster: accessible, within its content policy, nothing cut off.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import { request } from 'node:http';
import { launch } from './browser.mjs';
import { Cluster } from './cluster.mjs';
import { LOOKS, walk } from './looks.mjs';
import { scene } from './scene.mjs';
import { assertAccessible, open } from './support.mjs';

let cluster;
let browser;
const scenes = {};

before(async () => {
  cluster = await Cluster.start();
  browser = await launch();
  for (const lang of ['en', 'ko']) scenes[lang] = await scene(cluster, lang === 'ko');
});
after(async () => {
  for (const each of Object.values(scenes)) await each.close();
  await browser?.close();
  await cluster?.stop();
});

/** A raw response. */
const ask = (path, headers = {}, method = 'GET') =>
  new Promise((resolve, reject) => {
    const asked = request(new URL(path, cluster.web), { method, headers }, async (answer) => {
      const parts = [];
      for await (const part of answer) parts.push(part);
      resolve({ status: answer.statusCode, headers: answer.headers, body: Buffer.concat(parts) });
    });
    asked.on('error', reject);
    asked.end();
  });

test('through the balancer the app arrives compressed, cacheable, and with its content policy', async () => {
  const page = await ask('/');
  assert.equal(page.status, 200);
  assert.equal(page.headers['cache-control'], 'no-cache');
  assert.equal(page.headers['x-content-type-options'], 'nosniff');
  assert.equal(page.headers['referrer-policy'], 'no-referrer');
  assert.match(page.headers['content-security-policy'], /script-src 'self'; style-src 'self';/);
  assert.equal((await ask('/', { 'if-none-match': page.headers.etag })).status, 304);
  const [script] = /main-[A-Z0-9]+\.js/.exec(page.body.toString());
  const plain = await ask(`/${script}`);
  for (const [encoding, unpack] of [['br', brotliDecompressSync], ['gzip', gunzipSync]]) {
    const packed = await ask(`/${script}`, { 'accept-encoding': encoding });
    assert.equal(packed.headers['content-encoding'], encoding);
    assert.equal(packed.headers['cache-control'], 'public, max-age=31536000, immutable');
    assert.ok(packed.body.length < plain.body.length / 3, `${packed.body.length} of ${plain.body.length}`);
    assert.deepEqual(unpack(packed.body), plain.body);
  }
  const config = JSON.parse((await ask('/config.json')).body);
  assert.deepEqual(config.auth, { kind: 'dev' });
  for (const path of ['/../package.json', '/%2e%2e/package.json', '/.gitignore', '/hubs', '/nothing']) {
    assert.equal((await ask(path)).status, 404, path);
  }
  assert.equal((await ask('/', {}, 'POST')).status, 405);
});

describe('every look', () => {
  for (const look of LOOKS) {
    test(`${look.lang} ${look.theme} ${look.width}`, async () => {
      const page = await open(browser, cluster.web, look);
      await page.locator('form button').waitFor();
      await assertAccessible(page, 'the sign-in');
      await walk(page, scenes[look.lang], async (name) => {
        await assertAccessible(page, name);
        assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), `${name} is too wide`);
      });
      assert.deepEqual(page.complaints, []);
      await page.context().close();
    });
  }
});
