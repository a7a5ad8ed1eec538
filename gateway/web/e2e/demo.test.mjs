// The whole app on an in-memory server: every feature and every look, without a cluster.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { describe, test } from 'node:test';
import { openDemo, shareDemo } from './demo.mjs';
import { assertAccessible, bubbles, say, until } from './support.mjs';

shareDemo();

const LOOKS = [
  { lang: 'en', theme: 'light', width: 1280, height: 800 },
  { lang: 'ko', theme: 'dark', width: 1280, height: 800 },
  { lang: 'ko', theme: 'light', width: 390, height: 844 },
  { lang: 'en', theme: 'dark', width: 390, height: 844 },
];

describe('every look', () => {
  for (const look of LOOKS) {
    test(`${look.lang} ${look.theme} ${look.width}: accessible, within its content policy, nothing wider than the screen`, async () => {
      const page = await openDemo(look);
      const shot = async (name) => {
        await assertAccessible(page, name);
        assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), `${name} is too wide`);
      };
      await page.locator('.room').first().waitFor();
      await shot('the list');
      await page.locator('.room').first().click();
      await page.locator('.bubble').first().waitFor();
      await page.locator('.reactions').first().hover();
      await page.locator('.message-actions').waitFor();
      await shot('a conversation');
      await page.locator('textarea').fill('@');
      await page.locator('.mentions li').first().waitFor();
      await shot('mentions');
      await page.locator('textarea').fill('');
      await page.locator('.pane > .bar .icon-button').last().click();
      await page.locator('.members li').first().waitFor();
      await shot('details');
      await page.locator('.details .row-button').first().click();
      await page.locator('dialog[open] input').fill('Han');
      await shot('adding people');
      await page.keyboard.press('Escape');
      await page.keyboard.press('Escape');
      assert.equal(await page.locator('html').getAttribute('lang'), look.lang);
      assert.deepEqual(page.complaints, []);
      await page.context().close();
    });
  }

  test('the settings change language and colours at once, and are kept', async () => {
    const page = await openDemo();
    await page.getByRole('button', { name: 'Settings' }).click();
    await page.locator('dialog[open] select').first().waitFor();
    const [language, theme] = await page.locator('dialog[open] select').all();
    const light = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    await language.selectOption('ko');
    await theme.selectOption('dark');
    await page.getByRole('heading', { name: '설정' }).waitFor();
    assert.notEqual(await page.evaluate(() => getComputedStyle(document.body).backgroundColor), light);
    assert.deepEqual(await page.evaluate(() => [localStorage['rts.language'], localStorage['rts.theme']]), ['ko', 'dark']);
    await assertAccessible(page, 'settings');
    await page.context().close();
  });
});

describe('features', () => {
  test('the keyboard alone is enough to write, mention, reply, react, edit and delete', async () => {
    const page = await openDemo();
    await page.locator('.room', { hasText: 'Launch week' }).focus();
    await page.keyboard.press('Enter');
    await page.locator('textarea').waitFor();
    await page.locator('textarea').pressSequentially('Well done @mi');
    await page.keyboard.press('Enter');
    await page.keyboard.type('and thanks');
    await page.keyboard.press('Enter');
    await until(async () => (await bubbles(page)).at(-1) === 'Well done @Minsu Kim and thanks', 'the message with its mention');

    await page.keyboard.press('ArrowUp');
    await until(async () => (await page.locator('textarea').inputValue()) === 'Well done @Minsu Kim and thanks', 'the text to edit');
    await page.locator('textarea').fill('Well done!');
    await page.keyboard.press('Enter');
    await until(async () => (await bubbles(page)).at(-1) === 'Well done!', 'the edited text');
    await page.locator('.message', { hasText: 'Well done!' }).getByText('edited').waitFor();

    const last = page.locator('.message').last();
    await last.focus();
    await page.keyboard.press('ArrowUp');
    assert.match(await page.evaluate(() => document.activeElement?.textContent ?? ''), /second slide/);
    await page.keyboard.press('ArrowDown');
    await last.getByRole('button', { name: 'React', exact: true }).press('Enter');
    await last.getByRole('button', { name: 'React with 🎉' }).press('Enter');
    await last.locator('.reaction[aria-pressed=true]').waitFor();
    await last.focus();
    await last.getByRole('button', { name: 'Reply' }).press('Enter');
    await page.keyboard.type('And on it goes');
    await page.keyboard.press('Enter');
    await page.locator('.message').last().locator('.quote', { hasText: 'Well done!' }).waitFor();

    const answer = page.locator('.message').last();
    await answer.focus();
    await answer.getByRole('button', { name: 'Delete' }).press('Enter');
    await page.locator('dialog[open] .danger').press('Enter');
    await page.locator('.bubble.deleted').waitFor();
    assert.deepEqual(page.complaints, []);
    await page.context().close();
  });

  test('text is never interpreted as HTML', async () => {
    const page = await openDemo();
    await page.locator('.room').first().click();
    const evil = '<img src=x onerror="document.title=1"><script>document.title=2</script> javascript:alert(1)';
    await say(page, evil);
    await until(async () => (await bubbles(page)).at(-1) === evil, 'the text as it was written');
    assert.equal(await page.locator('.bubble script, .bubble .text img, .bubble .text a').count(), 1, 'nothing but the link that was there before');
    await page.context().close();
  });

  test('a direct chat; a group, its members, its name; leaving', async () => {
    const page = await openDemo();
    await page.getByRole('button', { name: 'New chat' }).click();
    const field = page.locator('dialog[open] input[role=combobox]');
    await field.fill('Haneul');
    await field.press('Enter');
    await page.locator('.chip', { hasText: 'Haneul Lee' }).waitFor();
    await field.fill('someone-unknown');
    await page.locator('dialog[open] [role=option]', { hasText: 'someone-unknown' }).click();
    await page.getByLabel('Group name (optional)').fill('Picnic');
    await assertAccessible(page, 'new chat');
    await page.getByRole('button', { name: 'Create group' }).click();
    await page.getByRole('heading', { name: 'Picnic' }).waitFor();
    await page.getByRole('button', { name: 'Details' }).click();
    await page.getByRole('button', { name: 'Rename' }).click();
    await page.locator('.rename input').fill('Picnic on Sunday');
    await page.locator('.rename button').click();
    await page.getByRole('heading', { name: 'Picnic on Sunday' }).waitFor();
    await page.getByRole('button', { name: 'Remove someone-unknown' }).click();
    await page.locator('dialog[open] .danger').click();
    await until(async () => (await page.locator('.members li').count()) === 2, 'one is gone');
    await page.getByRole('button', { name: 'Archive chat' }).click();
    await page.locator('dialog[open] .danger').click();
    await page.locator('.archived').waitFor();
    assert.equal(await page.locator('.room', { hasText: 'Picnic' }).count(), 0);
    await page.getByRole('button', { name: 'Archive', exact: true }).click();
    await page.locator('.room', { hasText: 'Picnic on Sunday' }).click();
    await assertAccessible(page, 'the archive');
    await page.getByRole('button', { name: 'Details' }).click();
    await page.getByRole('button', { name: 'Bring back from the archive' }).click();
    await page.locator('textarea').waitFor();
    await page.getByRole('button', { name: 'Leave chat' }).click();
    await page.locator('dialog[open] .danger').click();
    await until(async () => (await page.locator('.pane').count()) === 0, 'the chat is left');
    await page.context().close();
  });

  test('a chat opens at the mark before its unread messages, and showing them marks them as read', async () => {
    const page = await openDemo();
    const room = page.locator('.room', { hasText: 'Claim 2291' });
    await until(async () => (await room.locator('.badge').count()) === 2, 'both badges');
    await room.click();
    await page.locator('.unread-mark').waitFor();
    await until(async () => (await room.locator('.badge').count()) === 0, 'everything is read');
    await page.context().close();
  });

  test('a found message is shown in its place', async () => {
    const page = await openDemo();
    await page.getByRole('searchbox').fill('Measurement 42:');
    await page.locator('.hit').first().click();
    await page.locator('.message.highlighted', { hasText: 'Measurement 42:' }).waitFor();
    const box = await page.locator('.message', { hasText: 'Measurement 42:' }).boundingBox();
    assert.ok(box && box.y > 60 && box.y < 600, 'it is in sight');
    await page.getByRole('button', { name: 'Jump to the newest message' }).click();
    await until(async () => (await bubbles(page)).at(-1) === 'Have a good weekend!', 'the newest message');
    await page.context().close();
  });

  test('a chat is exported as JSON lines, one message each', async () => {
    const page = await openDemo();
    await page.locator('.room', { hasText: 'Launch week' }).click();
    await page.getByRole('button', { name: 'Details' }).click();
    const coming = page.waitForEvent('download');
    await page.getByRole('button', { name: 'Export messages' }).click();
    const download = await coming;
    assert.equal(download.suggestedFilename(), 'Launch week.jsonl');
    const lines = (await readFile(await download.path(), 'utf8')).trimEnd().split('\n').map((line) => JSON.parse(line).seq);
    const seqs = await page.evaluate(() => [...globalThis.demo.server.rooms.values()].find(({ room }) => room.name === 'Launch week').messages.map(({ seq }) => seq));
    assert.deepEqual(lines, seqs);
    assert.deepEqual(page.complaints, []);
    await page.context().close();
  });

  test('offline, the app says so, queues messages, and catches up', async () => {
    const page = await openDemo();
    await page.locator('.room', { hasText: 'Minsu Kim' }).click();
    await page.locator('textarea').waitFor();
    await page.evaluate(() => {
      globalThis.demo.hub.refuseStarts = 4;
      globalThis.demo.hub.drop();
    });
    await say(page, 'written offline');
    await page.locator('.bubble[data-pending]', { hasText: 'written offline' }).waitFor();
    await page.locator('.banner').waitFor();
    await assertAccessible(page, 'offline');
    await page.evaluate(() => {
      const [, room] = [...globalThis.demo.server.rooms.keys()];
      globalThis.demo.server.say(room, 'minsu', 'missed meanwhile');
    });
    await until(async () => (await bubbles(page)).slice(-2).join('|') === 'missed meanwhile|written offline', 'both, in order');
    assert.equal(await page.locator('.banner').count(), 0);
    await page.context().close();
  });
});
