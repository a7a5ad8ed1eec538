// The demo without a mouse: by keyboard, screen reader and touch.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { openDemo, shareDemo } from './demo.mjs';
import { assertAccessible, until } from './support.mjs';

shareDemo();

const PHONE = { width: 390, height: 844, touch: true };
const focused = (page, selector) => until(() => page.evaluate((wanted) => document.activeElement?.matches(wanted) ?? false, selector), `${selector} has the focus`, 5_000);
const label = (page) => page.evaluate(() => document.activeElement?.getAttribute('aria-label') ?? document.activeElement?.textContent);

/** Controls smaller than a fingertip, judged by what a touch around their centre hits. */
const small = (page) =>
  page.evaluate(() => {
    const hits = (element, x, y) => {
      const hit = document.elementFromPoint(x, y);
      return hit !== null && element.contains(hit);
    };
    const dialog = document.querySelector('dialog[open]');
    return [...(dialog ?? document).querySelectorAll('button, input, select, textarea, [role=option]')]
      .filter((element) => element.checkVisibility() && !element.matches('.skip, [type=file]'))
      .map((element) => (element.matches('[type=checkbox]') ? element.closest('label') : element))
      .filter((element) => {
        const { left, top, width, height } = element.getBoundingClientRect();
        const [x, y] = [left + width / 2, top + height / 2];
        if (x < 22 || y < 22 || x > innerWidth - 22 || y > innerHeight - 22 || !hits(element, x, y)) return false;
        const [wide, high] = [width >= 43.5 || (hits(element, x - 21, y) && hits(element, x + 21, y)), height >= 43.5 || (hits(element, x, y - 21) && hits(element, x, y + 21))];
        return !wide || !high;
      })
      .map((element) => `${element.outerHTML.slice(0, 120)} ${JSON.stringify(element.getBoundingClientRect())}`);
  });

/** Opens every view and dialog in turn. */
async function everything(page, finger, stop) {
  const press = (locator) => (finger ? locator.tap() : locator.click());
  await page.locator('.room').first().waitFor();
  await stop('the list');
  await press(page.locator('.account .icon-button'));
  await page.locator('dialog[open] input[type=checkbox]').first().waitFor();
  await stop('settings');
  await page.keyboard.press('Escape');
  await press(page.locator('.bar .icon-button.accent'));
  await page.locator('dialog[open] [role=option]').first().waitFor();
  await stop('new chat');
  await page.keyboard.press('Escape');
  await page.keyboard.press('Control+k');
  await page.locator('dialog[open] [role=option]').first().waitFor();
  await stop('going to');
  await page.keyboard.press('Escape');
  await press(page.locator('.room').first());
  await page.locator('.reactions').first().waitFor();
  await page.locator('.attachment img').last().waitFor();
  await stop('a conversation');
  await press(page.locator('.composer .icon-button:has(+ .send)'));
  await page.locator('.emoji-grid').waitFor();
  await stop('emoji');
  await page.keyboard.press('Escape');
  await press(page.locator('.pane > .bar .icon-button').last());
  await page.locator('.members li').first().waitFor();
  await stop('details');
  await press(page.locator('.details > .bar .icon-button'));
}

describe('every look is accessible', () => {
  for (const lang of ['en', 'ko']) {
    for (const theme of ['light', 'dark']) {
      for (const screen of [{ width: 1280, height: 800 }, PHONE]) {
        test(`${lang} ${theme} ${screen.width}`, async () => {
          const page = await openDemo({ lang, theme, ...screen });
          await everything(page, screen.touch === true, async (name) => {
            await assertAccessible(page, name);
            assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), `${name} is too wide`);
            if (screen.touch) {
              assert.deepEqual(await small(page), [], `${name} has targets that are too small`);
              const sizes = await page.locator('input:visible, select:visible, textarea:visible').evaluateAll((fields) => fields.map((field) => parseFloat(getComputedStyle(field).fontSize)));
              assert.ok(sizes.every((size) => size >= 16), `${name} makes the page zoom in: ${sizes}`);
            }
          });
          assert.deepEqual(page.complaints, []);
          await page.context().close();
        });
      }
    }
  }
});

describe('keyboard', () => {
  test('the focus is in the message field of an opened chat, and in the first field of a dialog', async () => {
    const page = await openDemo();
    await page.locator('.room', { hasText: 'Launch week' }).click();
    await focused(page, 'textarea');
    await page.getByRole('button', { name: 'New chat' }).click();
    await focused(page, 'dialog input[role=combobox]');
    await page.keyboard.press('Escape');
    await focused(page, '[aria-label="New chat"]');
    await page.getByRole('button', { name: 'Settings' }).click();
    await focused(page, 'dialog select');
    await page.keyboard.press('Escape');
    await page.getByRole('button', { name: 'Details' }).click();
    await page.getByRole('button', { name: 'Rename' }).click();
    await focused(page, '.rename input');
    await page.keyboard.press('Escape');
    await page.getByRole('button', { name: 'Leave chat' }).click();
    await focused(page, 'dialog footer button:not(.danger)');
    await page.keyboard.press('Enter');
    await until(async () => (await label(page)) === 'Leave chat', 'the focus is back');
    await page.context().close();
  });

  test('Escape leaves the messages, and a link skips them', async () => {
    const page = await openDemo();
    await page.locator('.room', { hasText: 'Launch week' }).click();
    await focused(page, 'textarea');
    await page.locator('.message').last().focus();
    await page.keyboard.press('ArrowUp');
    await page.keyboard.press('Escape');
    await focused(page, 'textarea');
    await page.locator('.pane > .bar .icon-button').last().focus();
    await page.keyboard.press('Tab');
    assert.equal(await label(page), 'Skip the messages');
    await page.keyboard.press('Enter');
    await focused(page, 'textarea');
    await page.context().close();
  });

  test('Enter that ends a Korean syllable chooses nothing and sends nothing, also as Safari sends it', async () => {
    const page = await openDemo();
    await page.locator('.room', { hasText: 'Launch week' }).click();
    await focused(page, 'textarea');
    /** Presses Enter as Safari does behind a composition. */
    const press = () => page.evaluate(() => document.activeElement.dispatchEvent(new KeyboardEvent('keydown', { key: 'Enter', keyCode: 229, bubbles: true, cancelable: true })));
    await page.keyboard.type('한글');
    await press();
    assert.equal(await page.locator('textarea').inputValue(), '한글');
    await page.getByRole('button', { name: 'Insert an emoji' }).click();
    await page.locator('.emoji-grid [role=option]').first().waitFor();
    await page.keyboard.type('rocket');
    await press();
    assert.equal(await page.locator('dialog[open] input').inputValue(), 'rocket');
    await page.keyboard.press('Escape');
    await page.keyboard.press('Control+k');
    await focused(page, 'dialog input[role=combobox]');
    await page.keyboard.type('Minsu');
    await press();
    assert.equal(await page.locator('dialog[open] input').inputValue(), 'Minsu');
    await page.keyboard.press('Enter');
    await page.locator('.pane h1', { hasText: 'Minsu Kim' }).waitFor();
    await page.context().close();
  });

  test('arrows move among the actions of a message, and Escape goes back one step at a time', async () => {
    const page = await openDemo();
    await page.locator('.room', { hasText: 'Launch week' }).click();
    await focused(page, 'textarea');
    await page.keyboard.press('Shift+Tab');
    const last = page.locator('.message').last();
    await last.focus();
    await page.keyboard.press('ArrowUp');
    await page.keyboard.press('ArrowDown');
    const react = last.getByRole('button', { name: 'React', exact: true });
    await react.focus();
    await page.keyboard.press('ArrowRight');
    assert.equal(await label(page), 'Reply');
    await page.keyboard.press('ArrowLeft');
    await page.keyboard.press('Enter');
    await until(async () => (await label(page)) === 'React with 👍', 'the reactions come next');
    await page.keyboard.press('End');
    assert.equal(await label(page), 'More emoji');
    await page.keyboard.press('ArrowRight');
    assert.equal(await label(page), 'React with 👍');
    await assertAccessible(page, 'the reactions');
    await page.keyboard.press('Escape');
    assert.equal(await label(page), 'React');
    await until(async () => (await page.locator('.palette').count()) === 0, 'they are closed');
    await page.keyboard.press('Enter');
    await until(async () => (await label(page)) === 'React with 👍', 'they are back');
    await page.keyboard.press('End');
    await page.keyboard.press('Enter');
    await focused(page, '.emoji-dialog input');
    await page.keyboard.type('rocket');
    await page.locator('.emoji-grid .active[aria-label=rocket]').waitFor();
    await page.keyboard.press('Enter');
    await last.locator('.reaction', { hasText: '🚀' }).waitFor();
    await focused(page, '.message:last-of-type');
    await page.keyboard.press('Escape');
    await focused(page, 'textarea');
    await page.context().close();
  });

  test('a few letters lead to any chat', async () => {
    const page = await openDemo();
    await page.locator('.room').first().waitFor();
    await page.keyboard.press('Control+k');
    await focused(page, '.jump input');
    const names = () => page.locator('.jump [role=option] strong').allTextContents();
    assert.deepEqual((await names()).slice(0, 2), ['Launch week', 'Yuna Park']);
    const active = (name) => until(async () => (await page.locator('.jump .active strong').textContent()) === name, name);
    await page.keyboard.press('ArrowUp');
    await active('Settings');
    await page.keyboard.press('ArrowDown');
    await active('Launch week');
    await page.keyboard.type('2291');
    await until(async () => (await names()).join() === 'Claim 2291', 'one is left');
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'Claim 2291' }).waitFor();
    await focused(page, 'textarea');
    await page.keyboard.press('Control+k');
    await focused(page, '.jump input');
    await page.keyboard.press('Escape');
    await focused(page, 'textarea');
    await until(async () => (await page.locator('dialog').count()) === 0, 'it is closed');
    await page.keyboard.press('Control+k');
    await focused(page, '.jump input');
    await page.keyboard.type('new');
    await until(async () => (await names()).join() === 'New chat', 'one is left');
    await page.keyboard.press('Enter');
    await focused(page, 'rts-new-chat input[role=combobox]');
    assert.equal(await page.locator('dialog').count(), 1);
    await page.context().close();
  });
});

test('a message is labelled with its sender, its time and its text', async () => {
  const page = await openDemo();
  await page.locator('.room', { hasText: 'Launch week' }).click();
  await page.getByRole('article', { name: /^Minsu Kim, .*: p99 was 41 ms with both nodes up\.$/ }).waitFor();
  await page.getByRole('article', { name: /^Yuna Park, .*: texts-ko\.xlsx$/ }).waitFor();
  await page.context().close();
});

describe('touch', () => {
  /** Touches the centre of an element and holds. */
  async function hold(page, locator, ms = 700) {
    const { x, y, width, height } = await locator.boundingBox();
    const cdp = await page.context().newCDPSession(page);
    await cdp.send('Input.dispatchTouchEvent', { type: 'touchStart', touchPoints: [{ x: x + width / 2, y: y + height / 2 }] });
    await new Promise((resolve) => setTimeout(resolve, ms));
    await cdp.send('Input.dispatchTouchEvent', { type: 'touchEnd', touchPoints: [] });
    await cdp.detach();
  }

  test('a long press on a message opens a sheet; a tap opens nothing', async () => {
    const page = await openDemo(PHONE);
    const room = page.locator('.room', { hasText: 'Launch week' });
    assert.match(await room.locator('.preview').textContent(), /You: I would put this one/);
    const [first, second] = [await room.locator('.title').boundingBox(), await room.locator('.preview').boundingBox()];
    assert.ok(second.height > 10 && second.y >= first.y + first.height - 4, 'what was said stands under the title');
    await room.tap();
    await page.locator('.bubble').first().waitFor();
    assert.ok(!(await page.evaluate(() => document.activeElement.matches('textarea'))), 'no keyboard comes up by itself');
    const last = page.locator('.message').last();
    const time = last.locator('.meta');
    await time.tap();
    assert.equal(await page.locator('.message-actions').count(), 0, 'no actions stay after a tap');
    await hold(page, time);
    await page.locator('.sheet .row-button').first().waitFor();
    await assertAccessible(page, 'the sheet');
    assert.deepEqual(await small(page), []);
    await page.locator('.sheet').getByRole('button', { name: 'React with 🎉' }).tap();
    await last.locator('.reaction', { hasText: '🎉' }).waitFor();
    await until(async () => (await page.locator('dialog').count()) === 0, 'the sheet is gone');
    await hold(page, time);
    await page.locator('.sheet').getByRole('button', { name: 'Reply' }).tap();
    await focused(page, 'textarea');
    await page.locator('.context').waitFor();
    await hold(page, time);
    await page.locator('.sheet').getByRole('button', { name: 'Delete' }).tap();
    await page.locator('dialog[open] .button.danger').tap();
    await page.locator('.bubble.deleted').waitFor();
    assert.equal(await page.locator('.message-actions').count(), 0);
    assert.deepEqual(page.complaints, []);
    await page.context().close();
  });

  test('a moving finger scrolls, and opens nothing', async () => {
    const page = await openDemo(PHONE);
    await page.locator('.room', { hasText: 'Launch week' }).tap();
    const { x, y } = await page.locator('.message').last().locator('.meta').boundingBox();
    const cdp = await page.context().newCDPSession(page);
    await cdp.send('Input.dispatchTouchEvent', { type: 'touchStart', touchPoints: [{ x, y }] });
    await cdp.send('Input.dispatchTouchEvent', { type: 'touchMove', touchPoints: [{ x, y: y - 40 }] });
    await new Promise((resolve) => setTimeout(resolve, 700));
    assert.equal(await page.locator('dialog').count(), 0);
    await cdp.send('Input.dispatchTouchEvent', { type: 'touchEnd', touchPoints: [] });
    await page.context().close();
  });
});
