// A third user who is hostile, on a real cluster: whatever they write, name and upload, the victim's app stays whole in
// every look, runs nothing of theirs, and asks nobody for anything.
import assert from 'node:assert/strict';
import { createHash, randomUUID } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { launch } from './browser.mjs';
import { Cluster } from './cluster.mjs';
import { EVERY_LOOK, nameOf, picture } from './looks.mjs';
import { assertAccessible, bubbles, open, say, until } from './support.mjs';

const ANN = { userId: 'ann', name: 'Ann Miller' };
/** Right-to-left override, isolates, a zero-width joiner, and combining marks that climb over the line above. */
const BIDI = '\u202Eevil\u202C \u2066txt.exe\u2069 \u200B\u200D';
const ZALGO = `Z${'\u0334\u0351\u0310\u0328'.repeat(40)}algo`;
const LONG = 'W'.repeat(120);

/** Messages that others have had trouble with. */
const MESSAGES = [
  '<img src=x onerror="globalThis.hacked = 1"><script>globalThis.hacked = 1</script>',
  '<svg/onload=globalThis.hacked=1> {{constructor.constructor("globalThis.hacked=1")()}} ${7*7} {{7*7}}',
  'javascript:globalThis.hacked=1 data:text/html,<script>1</script> vbscript:x file:///etc/passwd',
  '[click](javascript:globalThis.hacked=1) ![x](https://evil.example/pixel.png) <https://evil.example>',
  'https://accounts.example.com@evil.example/sign-in https://evil.example/%E2%80%AE https://xn--80ak6aa92e.com/',
  `${BIDI} ${ZALGO} ${BIDI}`,
  `مرحبا ${'שלום '.repeat(30)} and on it goes \u202E reversed`,
  'x'.repeat(16_000),
  `https://evil.example/${'a/'.repeat(4_000)}`,
  '\n'.repeat(2_000) + 'after two thousand lines',
  '```\n' + 'no end of code '.repeat(200),
  '**'.repeat(2_000) + '`'.repeat(501) + '~~'.repeat(500) + '_'.repeat(700),
  '> '.repeat(2_000) + 'deep',
  Array.from({ length: 300 }, (_, line) => `${line % 2 ? '- ' : '1. '}item ${line}`).join('\n'),
  '👨‍👩‍👧‍👦🏴󠁧󠁢󠁥󠁮󠁧󠁿'.repeat(200),
  '@ann '.repeat(500),
  '\u001b[31m\u0000\u0007\uFFFE\uD7FF\uE000'.replaceAll('\u0000', ''),
  'ㅋ'.repeat(3_000),
];

let cluster;
let browser;
let mallory;
let room;

const send = (body, more = {}) => mallory.invoke('SendMessage', { roomId: room.roomId, clientId: randomUUID(), body, ...more });

async function upload(fileName, contentType, text) {
  const bytes = Buffer.from(text);
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  const ticket = await mallory.invoke('CreateUpload', { roomId: room.roomId, fileName, contentType, sizeBytes: bytes.length, sha256 });
  const put = await fetch(ticket.url, { method: ticket.method, headers: ticket.headers, body: bytes });
  assert.equal(put.status, 200, await put.text());
  return ticket.attachmentId;
}

before(async () => {
  cluster = await Cluster.start('--env', 'gateway:RTS_LIMIT_SEND_RATE=1000', '--env', 'gateway:RTS_LIMIT_SEND_BURST=2000');
  browser = await launch();
  const ann = await cluster.client(ANN.userId, ANN.name);
  await ann.stop();
  mallory = await cluster.client('mallory', `${ZALGO} ${LONG}`);
  for (const name of [BIDI, '\u202Eannouncement', '\u200B', ' '.repeat(5)]) {
    await assert.rejects(mallory.invoke('CreateRoom', { kind: 'group', memberIds: ['ann'], name }), /invalidArgument/, JSON.stringify(name));
  }
  // The limit is in characters, and W is the widest.
  ({ room } = await mallory.invoke('CreateRoom', { kind: 'group', memberIds: ['ann'], name: LONG }));
  for (const body of MESSAGES) await send(body).catch((error) => assert.match(String(error), /tooLarge|invalidArgument/, body.slice(0, 60)));
  const many = await send('many reactions');
  for (const emoji of ['👍', '❤️', '😂', '🎉', '😮', '😢', '🙏', '🔥', '👀', '✅', '🏴‍☠️', '👨‍👩‍👧‍👦', '🇰🇷', '5️⃣']) {
    await mallory.invoke('React', { roomId: room.roomId, seq: many.seq, emoji, on: true });
  }
  await assert.rejects(mallory.invoke('React', { roomId: room.roomId, seq: many.seq, emoji: '<b>', on: true }), /invalidArgument/);
  const gone = await send('to be deleted');
  await send('about what is gone', { replyTo: gone.seq });
  await mallory.invoke('DeleteMessage', { roomId: room.roomId, seq: gone.seq });
  const page = '<script>globalThis.hacked = 1; fetch("https://evil.example")</script>';
  const attachmentIds = [
    await upload(`${'long '.repeat(50)}.txt`, 'text/plain', page),
    await upload('no picture.png', 'image/png', page),
    await upload('page.txt', 'text/plain', page),
  ];
  await send('', { attachmentIds });
  await mallory.invoke('SetTyping', { roomId: room.roomId, typing: true });
});
after(async () => {
  await mallory?.stop();
  await browser?.close();
  await cluster?.stop();
});

/** Opens the app as the victim, and notes where it wants to go. */
async function victim(look) {
  const page = await open(browser, cluster.web, { ...look, signIn: ANN });
  page.foreign = [];
  const own = [new URL(cluster.web).hostname, '127.0.0.1', 'localhost'];
  page.on('request', (request) => {
    const url = new URL(request.url());
    if (url.protocol.startsWith('http') && !own.includes(url.hostname)) page.foreign.push(request.url());
  });
  page.on('dialog', (dialog) => page.complaints.push(dialog.message()));
  return page;
}

/** Goes to the end, unless the page is there: a chat opens at what is new in it. */
async function toNewest(page) {
  const newest = page.locator('button.newest');
  if (await newest.isVisible()) await newest.click({ timeout: 2_000 }).catch(() => undefined);
}

async function assertWhole(page, look, where) {
  await assertAccessible(page, where);
  const wide = await page.evaluate(() => {
    const beyond = [...document.querySelectorAll('main *, aside *, nav *, header *')].filter((element) => {
      const { right, width } = element.getBoundingClientRect();
      return width > 0 && right > innerWidth + 1 && getComputedStyle(element).position !== 'absolute' && !element.closest('pre, code, .sr-only');
    });
    return [document.documentElement.scrollWidth <= innerWidth, beyond.slice(0, 3).map((element) => element.outerHTML.slice(0, 120))];
  });
  assert.deepEqual(wide, [true, []], `${where} is too wide`);
  assert.equal(await page.evaluate(() => globalThis.hacked), undefined, where);
  await picture(page, `${nameOf(look)}-hostile-${where}`);
}

describe('a hostile user', () => {
  for (const look of EVERY_LOOK) {
    test(`breaks nothing: ${nameOf(look)}`, async () => {
      const page = await victim(look);
      const entry = page.locator('.room', { hasText: LONG });
      await entry.waitFor();
      await assertWhole(page, look, 'list');
      await entry.click();
      await page.locator('.bubble').first().waitFor();
      const links = new Set();
      await until(async () => {
        for (const link of await page.locator('.bubble a').evaluateAll((all) => all.map(({ protocol, rel, target }) => `${protocol} ${rel} ${target}`))) links.add(link);
        await page.locator('.scroller').evaluate((element) => element.scrollBy(0, -5_000));
        return page.locator('.scroller').evaluate((element) => element.scrollTop === 0);
      }, 'the beginning', 60_000);
      assert.deepEqual([...links], ['https: noopener noreferrer _blank'], 'only the web is linked to');
      await assertWhole(page, look, 'beginning');
      await page.locator('.scroller').evaluate((element) => element.scrollTo(0, element.scrollHeight));
      await toNewest(page);
      await assertWhole(page, look, 'end');
      await page.locator('.pane > .bar .icon-button').last().click();
      await page.locator('.members li').first().waitFor();
      await assertWhole(page, look, 'details');
      await page.keyboard.press('Escape');
      if (await page.locator('.details').isVisible()) await page.locator('.pane > .bar .icon-button, .details .icon-button').last().click();
      const text = `and I still write ${randomUUID()}`;
      await say(page, text);
      await until(async () => (await bubbles(page)).includes(text) && (await page.locator('[data-pending]').count()) === 0, 'the victim writes on');
      assert.deepEqual([page.complaints, page.foreign], [[], []]);
      await page.context().close();
    });
  }

  test('floods, renames, removes and adds again, and the victim stays in step', async () => {
    const page = await victim(EVERY_LOOK[0]);
    await page.locator('.room', { hasText: LONG }).click();
    await page.locator('.bubble').first().waitFor();
    // Of more than the server takes, some are refused.
    const flood = Promise.allSettled(Array.from({ length: 300 }, (_, number) => send(`flood ${number}`)));
    for (let time = 0; time < 10; time += 1) {
      await mallory.invoke('RenameRoom', { roomId: room.roomId, name: `Room ${time}` });
      await mallory.invoke('RemoveMember', { roomId: room.roomId, userId: 'ann' });
      await mallory.invoke('AddMembers', { roomId: room.roomId, userIds: ['ann'] });
    }
    await flood;
    const last = `last ${randomUUID()}`;
    await until(() => send(last).then(() => true, () => false), 'it takes one more');
    await page.locator('.room', { hasText: 'Room 9' }).click();
    await until(async () => (await toNewest(page), (await bubbles(page)).includes(last)), 'the last message', 30_000);
    await say(page, 'still here');
    await until(async () => (await bubbles(page)).at(-1) === 'still here' && (await page.locator('[data-pending]').count()) === 0, 'the victim writes on');
    assert.deepEqual([page.complaints, page.foreign], [[], []]);
    await page.context().close();
  });
});
