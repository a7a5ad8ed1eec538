// Every state of trouble in every look: accessible, within the screen, and a sentence instead of a blank page.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { address, enter, openDemo, shareDemo } from './demo.mjs';
import { EVERY_LOOK, nameOf, picture } from './looks.mjs';
import { assertAccessible, say, until } from './support.mjs';

shareDemo();

const TITLES = { en: { direct: 'Minsu Kim', group: 'Launch week' }, ko: { direct: '김민수', group: '출시 준비' } };

const ENDED = { en: 'Your sign-in has ended.', ko: '로그인이 끝났습니다.' };

const refuse = (page, method, told) =>
  page.evaluate(([name, text]) => {
    globalThis.demo.hub.next(name, () => {
      throw new Error(`An unexpected error occurred invoking '${name}' on the server. HubException: ${text}`);
    });
  }, [method, told]);

async function assertWhole(page, look, where) {
  await assertAccessible(page, where);
  assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), `${where} is too wide`);
  await picture(page, `${nameOf(look)}-state-${where}`);
}

/** Goes back to the list where the chat covers it. */
async function toList(page, look) {
  if (look.width < 800) await page.goto(`${address()}/#/`);
  await page.locator('.room').first().waitFor();
}

describe('every state', () => {
  for (const look of EVERY_LOOK) {
    test(nameOf(look), async () => {
      const { direct, group } = TITLES[look.lang];
      const page = await openDemo(look);
      await page.locator('.room').first().waitFor();

      await refuse(page, 'SearchMessages', 'unavailable: Try again.');
      await page.getByRole('searchbox').fill('국수');
      await page.locator('.hint[role=alert]').waitFor();
      await assertWhole(page, look, 'failed-search');
      await page.getByRole('searchbox').fill('');

      await page.locator('.bar .icon-button.accent').click();
      await page.locator('dialog[open] input[role=combobox]').fill('Haneul');
      await page.locator('dialog[open] input[role=combobox]').press('Enter');
      await refuse(page, 'CreateRoom', 'forbidden: No.');
      await page.locator('dialog[open] footer .primary').click();
      await page.locator('dialog[open] [role=alert]').first().waitFor();
      await assertWhole(page, look, 'failed-dialog');
      await page.keyboard.press('Escape');

      await enter(page, direct);
      await refuse(page, 'SendMessage', 'tooLarge: body has more than 8192 bytes of UTF-8.');
      await say(page, 'x'.repeat(9_000));
      await page.locator('.failed').first().waitFor();
      await assertWhole(page, look, 'failed-message');

      await page.evaluate(() => {
        globalThis.demo.hub.refuseStarts = 1_000;
        globalThis.demo.hub.drop();
      });
      await page.locator('.banner').waitFor();
      await say(page, 'written offline');
      await page.locator('[data-pending]').first().waitFor();
      await assertWhole(page, look, 'offline');
      await page.evaluate(() => {
        globalThis.demo.hub.refuseStarts = 0;
        dispatchEvent(new Event('online'));
      });
      await until(async () => (await page.locator('.banner').count()) === 0, 'it is back');

      await page.evaluate(() => {
        globalThis.demo.hub.refuseTokens = true;
        globalThis.demo.hub.drop();
      });
      await page.locator('.banner', { hasText: ENDED[look.lang] }).waitFor();
      await assertWhole(page, look, 'ended-sign-in');
      await page.evaluate(() => (globalThis.demo.hub.refuseTokens = false));
      await page.reload();

      await toList(page, look);
      await enter(page, group);
      await page.evaluate((title) => {
        const { server, hub } = globalThis.demo;
        const { room } = [...server.rooms.values()].find((each) => each.room.name === title);
        server.change(room.roomId, 'memberRemoved', (r) => (r.members = r.members.filter(({ userId }) => userId !== 'jiwoo')));
        hub.emit('RoomRemoved', { roomId: room.roomId });
      }, group);
      await page.locator('main [role=alert]').waitFor();
      await assertWhole(page, look, 'removed');
      for (const [where, hash] of [['no-such-chat', '#/rooms/no-such-room'], ['bad-address', '#/rooms/%']]) {
        await page.goto(`${address()}/${hash}`);
        await page.locator('main [role=alert]').waitFor();
        await assertWhole(page, look, where);
      }
      assert.deepEqual(page.complaints, []);
      await page.context().close();
    });
  }
});
