// Formatting marks and emoji, on the demo's in-memory server.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { openDemo, shareDemo } from './demo.mjs';
import { assertAccessible, say, until } from './support.mjs';

shareDemo();

/** The body of a chat's last message, as stored by the server. */
const kept = (page, name) =>
  page.evaluate((wanted) => [...globalThis.demo.server.rooms.values()].find(({ room }) => room.name === wanted).messages.at(-1).body, name);

describe('marks', () => {
  const TEXT = '**bold** *it* ~~no~~ `co_de` @minsu\n- one\n- two\n> said\n```js\nlet a = "**b**";\n\tdone();\n```';

  test('marks are rendered, while the text is stored and edited as written', async () => {
    const page = await openDemo();
    await page.locator('.room', { hasText: 'Launch week' }).click();
    await say(page, TEXT);
    const text = page.locator('.message').last().locator('.text');
    await text.locator('strong', { hasText: 'bold' }).waitFor();
    for (const [mark, words] of [['em', 'it'], ['s', 'no'], ['code', 'co_de'], ['.mention', '@Minsu Kim'], ['li', 'two'], ['blockquote', 'said']]) {
      assert.equal(await text.locator(mark, { hasText: words }).first().count(), 1, mark);
    }
    assert.equal(await text.locator('pre').textContent(), 'let a = "**b**";\n\tdone();');
    assert.equal(await kept(page, 'Launch week'), TEXT);
    await until(async () => /You: bold it no co_de @Minsu Kim/.test(await page.locator('.room', { hasText: 'Launch week' }).textContent()), 'the list says it without marks');
    await assertAccessible(page, 'marks');
    await page.keyboard.press('ArrowUp');
    await until(async () => (await page.locator('textarea').inputValue()) === TEXT.replace('@minsu', '@Minsu Kim'), 'the text to edit, with names');
    assert.deepEqual(page.complaints, []);
    await page.context().close();
  });

  test('shortcuts put marks around the selection', async () => {
    const page = await openDemo();
    await page.locator('.room').first().click();
    const area = page.locator('textarea');
    await area.fill('so it is');
    await area.press('Shift+Home');
    await area.press('Control+b');
    await area.press('Control+Shift+x');
    assert.equal(await area.inputValue(), '**~~so it is~~**');
    await area.press('Control+Shift+x');
    assert.equal(await area.inputValue(), '**so it is**');
    await page.context().close();
  });

  test('code is copied unchanged', async () => {
    const page = await openDemo();
    await page.context().grantPermissions(['clipboard-read', 'clipboard-write']);
    await page.locator('.room').first().click();
    await say(page, TEXT);
    await page.getByRole('button', { name: 'Copy code' }).click();
    await page.getByText('Copied.').waitFor();
    assert.equal(await page.evaluate(() => navigator.clipboard.readText()), 'let a = "**b**";\n\tdone();');
    await page.context().close();
  });
});

describe('emoji', () => {
  test('a name is completed by keyboard, and replaced once it is closed by a colon', async () => {
    const page = await openDemo();
    await page.locator('.room', { hasText: 'Launch week' }).click();
    const area = page.locator('textarea');
    await area.pressSequentially('Well :thumbsu');
    await page.locator('.mentions li', { hasText: ':thumbsup:' }).waitFor();
    await assertAccessible(page, 'emoji names');
    await area.press('Enter');
    assert.equal(await area.inputValue(), 'Well 👍 ');
    await area.pressSequentially(':tada:');
    assert.equal(await area.inputValue(), 'Well 👍 🎉');
    await area.pressSequentially(' :D');
    await area.press('Enter');
    await until(async () => (await kept(page, 'Launch week')) === 'Well 👍 🎉 :D', 'it is sent');
    await page.context().close();
  });

  test('the picker searches, moves by arrows, inserts at the caret, and remembers', async () => {
    const page = await openDemo();
    await page.locator('.room', { hasText: 'Launch week' }).click();
    const area = page.locator('textarea');
    await area.fill('ab');
    await area.press('ArrowLeft');
    await page.getByRole('button', { name: 'Insert an emoji' }).click();
    const field = page.getByRole('combobox', { name: 'Search emoji' });
    await until(() => field.evaluate((element) => element === document.activeElement), 'its search has the focus');
    await assertAccessible(page, 'the picker');
    await page.keyboard.press('ArrowRight');
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('ArrowUp');
    await until(async () => (await page.locator('.emoji-grid .active').getAttribute('aria-label')) === 'smiley', 'the second one');
    await page.keyboard.type('rocket');
    await until(async () => (await page.locator('.emoji-grid .active').getAttribute('aria-label')) === 'rocket', 'it is found');
    await page.keyboard.press('Enter');
    await until(async () => (await area.inputValue()) === 'a🚀b', 'it is put in');
    assert.ok(await area.evaluate((element) => element === document.activeElement && element.selectionStart === 3), 'one writes on behind it');
    await page.getByRole('button', { name: 'Insert an emoji' }).click();
    assert.equal(await page.locator('.emoji-grid [role=option]').first().textContent(), '🚀');
    await page.keyboard.press('Escape');
    await until(async () => (await page.locator('dialog').count()) === 0, 'it is closed');
    await page.context().close();
  });

  test('any emoji can be a reaction, and pressing it again removes it', async () => {
    const page = await openDemo();
    await page.locator('.room', { hasText: 'Launch week' }).click();
    const last = page.locator('.message').last();
    for (const count of [1, 0]) {
      await last.hover();
      await last.getByRole('button', { name: 'React', exact: true }).click();
      await last.getByRole('button', { name: 'More emoji' }).click();
      await page.getByRole('combobox', { name: 'Search emoji' }).fill('unicorn');
      await page.locator('.emoji-grid [role=option]').first().click();
      await until(async () => (await last.locator('.reaction', { hasText: '🦄' }).count()) === count, `${count} reactions`);
    }
    await page.context().close();
  });
});
