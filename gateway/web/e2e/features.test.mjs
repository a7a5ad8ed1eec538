// What a server may or may not have yet, in browsers on a real cluster; what it has not is skipped, and said so.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { after, before, describe, test } from 'node:test';
import { launch } from './browser.mjs';
import { Cluster } from './cluster.mjs';
import { assertAccessible, open, say, until } from './support.mjs';

const ANN = { userId: 'ann', name: 'Ann Miller' };
const MINSU = { userId: 'minsu', name: '김민수' };

let cluster;
let browser;
let ann;
let minsu;
let plain;

before(async () => {
  cluster = await Cluster.start();
  browser = await launch();
  ann = await open(browser, cluster.web, { lang: 'en', signIn: ANN });
  minsu = await open(browser, cluster.web, { lang: 'ko', signIn: MINSU });
  plain = await cluster.client('ann', ANN.name);
  const { room } = await plain.invoke('CreateRoom', { kind: 'group', memberIds: ['minsu'], name: 'Workshop' });
  await plain.invoke('SendMessage', { roomId: room.roomId, clientId: 'welcome', body: 'Welcome' });
  for (const page of [ann, minsu]) {
    await page.locator('.room', { hasText: 'Workshop' }).click();
    await page.locator('.bubble', { hasText: 'Welcome' }).waitFor();
  }
});
after(async () => {
  await plain?.stop();
  await browser?.close();
  await cluster?.stop();
});

/** Skips where the server does not have what is tested. */
async function needs(context, ...methods) {
  for (const method of methods) {
    const refused = await plain.invoke(method, {}).then(() => '', String);
    if (refused.includes('Method does not exist')) {
      context.skip(`the server has no ${method}`);
      return false;
    }
  }
  return true;
}

describe('features', () => {
  test('a reaction is seen by others, and taken back', async (context) => {
    if (!(await needs(context, 'React'))) return;
    await ann.locator('.message', { hasText: 'Welcome' }).hover();
    await ann.getByRole('button', { name: 'React', exact: true }).click();
    await ann.getByRole('button', { name: 'React with 🎉' }).click();
    await minsu.locator('.reaction', { hasText: '🎉' }).waitFor();
    await ann.locator('.reaction[aria-pressed=true]').click();
    await until(async () => (await minsu.locator('.reaction').count()) === 0, 'the reaction is gone');
  });

  test('files go up and come down as they were', async (context) => {
    if (!(await needs(context, 'CreateUpload', 'GetAttachmentUrl'))) return;
    const image = await readFile(new URL('../docs/phone-ko.png', import.meta.url));
    const text = Buffer.from(`보고서 ${randomBytes(2_000).toString('hex')}`);
    await ann.locator('input[type=file]').setInputFiles([
      { name: 'phone.png', mimeType: 'image/png', buffer: image },
      { name: '보고서.txt', mimeType: 'text/plain', buffer: text },
      { name: 'mistake.txt', mimeType: 'text/plain', buffer: Buffer.from('not this one') },
    ]);
    await ann.getByRole('button', { name: 'Take mistake.txt out' }).click();
    await until(async () => ann.locator('.composer .send').isEnabled(), 'both are up');
    await assertAccessible(ann, 'the tray');
    await say(ann, 'two files');
    const message = minsu.locator('.message', { hasText: 'two files' });
    await message.locator('img').waitFor();
    await until(() => message.locator('img').evaluate((element) => element.complete && element.naturalWidth > 0), 'the image is shown');
    const coming = minsu.waitForEvent('download');
    await message.locator('.file', { hasText: '보고서.txt' }).click();
    const download = await coming;
    assert.deepEqual(await readFile(await download.path()), text);
    assert.equal(download.suggestedFilename(), '보고서.txt');
    assert.equal(await minsu.getByText('mistake.txt').count(), 0);
    assert.deepEqual([...ann.complaints, ...minsu.complaints], []);
  });

  test('typing is seen, and ends', async (context) => {
    if (!(await needs(context, 'SetTyping'))) return;
    await minsu.locator('textarea').pressSequentially('음');
    await ann.locator('.typing-line', { hasText: '김민수 is typing…' }).waitFor();
    await minsu.locator('textarea').fill('');
    await until(async () => (await ann.locator('.typing-line').textContent()).trim() === '', 'the line is empty');
  });

  test('a mention is completed, and counted apart', async (context) => {
    if (!(await needs(context, 'React'))) return;
    await minsu.goto(`${cluster.web}#/`);
    await ann.locator('textarea').fill('');
    await ann.locator('textarea').pressSequentially('@min');
    await ann.keyboard.press('Enter');
    await ann.keyboard.type('look');
    await ann.keyboard.press('Enter');
    await ann.locator('.text .mention', { hasText: '@김민수' }).waitFor();
    await minsu.locator('.room', { hasText: 'Workshop' }).locator('.badge.mention').waitFor();
    await minsu.locator('.room', { hasText: 'Workshop' }).click();
  });

  test('presence shows who is there', async (context) => {
    if (!(await needs(context, 'WatchPresence'))) return;
    await ann.getByRole('button', { name: 'Details' }).click();
    const dot = ann.locator('.members li', { hasText: '김민수' }).locator('.dot');
    await until(async () => (await dot.getAttribute('aria-label')) === 'online', 'online');
    await minsu.context().close();
    await until(async () => (await dot.getAttribute('aria-label')) === 'offline', 'offline', 30_000);
  });

  test('a message is found by its words and shown where it was said', async (context) => {
    if (!(await needs(context, 'SearchMessages'))) return;
    await say(ann, 'the word is chrysanthemum');
    await until(async () => {
      await ann.getByRole('searchbox').fill('');
      await ann.getByRole('searchbox').fill('chrysanthemum');
      return ann.locator('.hit').first().waitFor({ timeout: 2_000 }).then(() => true, () => false);
    }, 'the message is found');
    await ann.locator('.hit').first().click();
    await ann.locator('.message.highlighted', { hasText: 'chrysanthemum' }).waitFor();
    await ann.getByRole('searchbox').fill('');
  });

  test('an archived chat is read-only, found in the archive, and comes back', async (context) => {
    if (!(await needs(context, 'ArchiveRoom', 'UnarchiveRoom'))) return;
    if ((await ann.locator('.details').count()) === 0) await ann.getByRole('button', { name: 'Details' }).click();
    await ann.getByRole('button', { name: 'Archive chat' }).click();
    await ann.locator('dialog[open] .danger').click();
    await ann.locator('.archived').waitFor();
    await ann.getByRole('button', { name: 'Archive', exact: true }).click();
    await ann.locator('.room', { hasText: 'Workshop' }).click();
    await ann.getByRole('button', { name: 'Details' }).click();
    await ann.getByRole('button', { name: 'Bring back from the archive' }).click();
    await ann.locator('textarea').waitFor();
  });
});
