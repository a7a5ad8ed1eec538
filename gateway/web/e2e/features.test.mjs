// Features that a server may lack, in browsers on a real cluster. Tests of missing ones are skipped with a note.
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

/** Skips the test unless the server has these methods. */
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
  test('a reaction is shown to others, and can be removed', async (context) => {
    if (!(await needs(context, 'React'))) return;
    await ann.locator('.message', { hasText: 'Welcome' }).hover();
    await ann.getByRole('button', { name: 'React', exact: true }).click();
    await ann.getByRole('button', { name: 'React with 🎉' }).click();
    await minsu.locator('.reaction', { hasText: '🎉' }).waitFor();
    await ann.locator('.reaction[aria-pressed=true]').click();
    await until(async () => (await minsu.locator('.reaction').count()) === 0, 'the reaction is gone');
  });

  test('files are uploaded and downloaded unchanged', async (context) => {
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

  test('files are dropped and pasted, and an upload in progress is cancelled', async (context) => {
    if (!(await needs(context, 'CreateUpload'))) return;
    const give = (kind, name) =>
      ann.locator('textarea').evaluate((area, [type, fileName]) => {
        const dataTransfer = new DataTransfer();
        dataTransfer.items.add(new File(['some text'], fileName, { type: 'text/plain' }));
        const more = { bubbles: true, cancelable: true };
        area.dispatchEvent(type === 'paste' ? new ClipboardEvent('paste', { ...more, clipboardData: dataTransfer }) : new DragEvent('drop', { ...more, dataTransfer }));
      }, [kind, name]);
    await give('paste', 'pasted.txt');
    await give('drop', 'dropped.txt');
    await until(async () => (await ann.locator('.tray li').count()) === 2 && (await ann.locator('.composer .send').isEnabled()), 'both are up');
    const isStorage = (url) => url.href.startsWith(cluster.aws.endpoint);
    let called = 0;
    // Delayed, as by a slow network.
    await ann.route(isStorage, () => void (called += 1));
    await give('paste', 'slow.txt');
    await until(() => called === 1, 'it is on its way');
    await ann.locator('.tray progress').waitFor();
    assert.ok(await ann.locator('.composer .send').isDisabled(), 'nothing is sent without it');
    for (const name of ['slow.txt', 'dropped.txt']) await ann.getByRole('button', { name: `Take ${name} out` }).click();
    await ann.unroute(isStorage);
    await say(ann, 'one file');
    const message = minsu.locator('.message', { hasText: 'one file' });
    await message.locator('.file', { hasText: 'pasted.txt' }).waitFor();
    assert.equal(await message.locator('.file').count(), 1);
  });

  test('typing is shown, and ends', async (context) => {
    if (!(await needs(context, 'SetTyping'))) return;
    await minsu.locator('textarea').pressSequentially('음');
    await ann.locator('.typing-line', { hasText: '김민수 is typing…' }).waitFor();
    await minsu.locator('textarea').fill('');
    await until(async () => (await ann.locator('.typing-line').textContent()).trim() === '', 'the line is empty');
  });

  test('a mention is completed, and counted separately', async (context) => {
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

  test('presence shows who is online', async (context) => {
    if (!(await needs(context, 'WatchPresence'))) return;
    await ann.getByRole('button', { name: 'Details' }).click();
    const dot = ann.locator('.members li', { hasText: '김민수' }).locator('.dot');
    await until(async () => (await dot.getAttribute('aria-label')) === 'online', 'online');
    await minsu.context().close();
    await until(async () => (await dot.getAttribute('aria-label')) === 'offline', 'offline', 30_000);
  });

  test('users are found by name, added and removed; a chat is renamed', async (context) => {
    if (!(await needs(context, 'SearchUsers'))) return;
    const guest = await cluster.client('sujin', '이수진');
    const details = ann.getByRole('button', { name: 'Details' });
    if ((await ann.locator('.details').count()) === 0) await details.click();
    await ann.locator('.details').getByRole('button', { name: 'Add people' }).click();
    const field = ann.locator('dialog[open] input[role=combobox]');
    // The directory learns of a first sign-in through the queue, a moment later.
    const option = ann.locator('dialog[open] [role=option]', { hasText: '이수진' });
    await until(async () => {
      await field.fill('');
      await field.fill('이수');
      return option.waitFor({ timeout: 1_500 }).then(() => true, () => false);
    }, 'the newcomer is found');
    await option.click();
    await ann.locator('dialog[open] footer .primary').click();
    const member = ann.locator('.members li', { hasText: '이수진' });
    await member.waitFor();
    await ann.getByRole('button', { name: 'Rename' }).click();
    await ann.locator('.rename input').fill('작업실');
    await ann.locator('.rename input').press('Enter');
    await ann.getByRole('heading', { name: '작업실' }).waitFor();
    const { rooms } = await guest.invoke('ListRooms', {});
    assert.deepEqual(rooms.map(({ room }) => room.name), ['작업실']);
    await member.getByRole('button', { name: 'Remove 이수진' }).click();
    await ann.locator('dialog[open] .danger').click();
    await until(async () => (await member.count()) === 0, 'they are out');
    await ann.getByRole('button', { name: 'Rename' }).click();
    await ann.locator('.rename input').fill('Workshop');
    await ann.locator('.rename input').press('Enter');
    await ann.getByRole('heading', { name: 'Workshop' }).waitFor();
    await guest.stop();
  });

  test('a chat is exported as JSON lines, every message once', async (context) => {
    if (!(await needs(context, 'StreamHistory'))) return;
    if ((await ann.locator('.details').count()) === 0) await ann.getByRole('button', { name: 'Details' }).click();
    const coming = ann.waitForEvent('download');
    await ann.getByRole('button', { name: 'Export messages' }).click();
    const download = await coming;
    assert.equal(download.suggestedFilename(), 'Workshop.jsonl');
    const lines = (await readFile(await download.path(), 'utf8')).trimEnd().split('\n').map((line) => JSON.parse(line));
    const { rooms } = await plain.invoke('ListRooms', {});
    const { roomId } = rooms.find(({ room }) => room.name === 'Workshop').room;
    const { messages } = await plain.invoke('GetHistory', { roomId, limit: 200 });
    assert.ok(messages.length > 1);
    assert.deepEqual(lines.map(({ seq, version, body }) => ({ seq, version, body })), messages.map(({ seq, version, body }) => ({ seq, version, body })));
  });

  test('a message is found by its words and shown in its place', async (context) => {
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

  test('an archived chat is read-only, found in the archive, and can be restored', async (context) => {
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
