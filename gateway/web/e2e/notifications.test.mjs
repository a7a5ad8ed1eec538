// Notifications of messages that are not on the screen, on the demo's in-memory server.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openDemo, shareDemo } from './demo.mjs';
import { until } from './support.mjs';

shareDemo();

/** Opens a page that records its system notifications; the permission is granted without a prompt. */
async function listening() {
  const page = await openDemo();
  await page.addInitScript(() => {
    globalThis.told = [];
    globalThis.Notification = class {
      static permission = 'default';
      static async requestPermission() {
        return (this.permission = 'granted');
      }
      constructor(title, options) {
        Object.assign(this, { title, body: options.body, closed: false });
        globalThis.told.push(this);
      }
      close() {
        this.closed = true;
      }
    };
  });
  await page.reload();
  await page.locator('.room').first().waitFor();
  return page;
}

const told = (page) => page.evaluate(() => globalThis.told.map(({ title, body }) => `${title}: ${body}`));
const says = (page, room, who, text) =>
  page.evaluate(
    ([name, userId, body]) => {
      const { server } = globalThis.demo;
      const rooms = [...server.rooms.values()].map(({ room: each }) => each);
      const found = rooms.find((each) => each.name === name) ?? rooms.find((each) => each.kind === 'direct' && each.members.some((member) => member.userId === name));
      server.say(found.roomId, userId, body);
    },
    [room, who, text],
  );
const hide = (page, hidden) =>
  page.evaluate((state) => {
    Object.defineProperty(document, 'visibilityState', { configurable: true, get: () => state });
    document.dispatchEvent(new Event('visibilitychange'));
  }, hidden ? 'hidden' : 'visible');
const settled = () => new Promise((resolve) => setTimeout(resolve, 900));

async function turnOn(page) {
  await page.getByRole('button', { name: 'Settings' }).click();
  await page.getByLabel('Show notifications').check();
  await page.keyboard.press('Escape');
}

test('only messages that are off screen are notified, and a click opens their chat', async () => {
  const page = await listening();
  await says(page, 'minsu', 'minsu', 'before it was asked for');
  await settled();
  assert.deepEqual(await told(page), []);
  await turnOn(page);
  await page.locator('.room', { hasText: 'Launch week' }).click();
  await page.locator('.bubble').first().waitFor();
  await says(page, 'Launch week', 'sarah', 'in sight');
  await says(page, 'Claim 2291', 'haneul', '**elsewhere**');
  await until(async () => (await told(page)).length > 0, 'the other chat is told');
  await settled();
  assert.deepEqual(await told(page), ['Claim 2291: Haneul Lee: elsewhere']);
  await hide(page, true);
  await says(page, 'Launch week', 'sarah', 'behind another window');
  await until(async () => (await told(page)).length === 2, 'what nobody sees is told');
  assert.equal((await told(page))[1], 'Launch week: Sarah Bennett: behind another window');
  await hide(page, false);
  await until(() => page.evaluate(() => globalThis.told[1].closed), 'it is taken back once it is read');
  await page.evaluate(() => globalThis.told[0].onclick());
  await page.getByRole('heading', { name: 'Claim 2291' }).waitFor();
  await page.reload();
  await page.locator('.room').first().waitFor();
  assert.equal(await page.evaluate(() => localStorage['rts.notify']), 'on', 'the device keeps it');
  await page.context().close();
});

test('a muted chat is silent and not counted, on this device', async () => {
  const page = await listening();
  await turnOn(page);
  await until(async () => (await page.title()) === '(2) RTS', 'two chats have something unread');
  await page.locator('.room', { hasText: 'Launch week' }).click();
  await page.getByRole('button', { name: 'Details' }).click();
  await page.getByRole('button', { name: 'Mute on this device' }).click();
  await page.locator('.room', { hasText: 'Launch week' }).getByText('Muted').waitFor({ state: 'attached' });
  await page.locator('.room', { hasText: 'Minsu Kim' }).click();
  await says(page, 'Launch week', 'sarah', 'quietly');
  await page.locator('.room', { hasText: 'Launch week' }).locator('.badge.quiet').waitFor();
  await settled();
  assert.deepEqual(await told(page), []);
  assert.equal(await page.title(), '(2) RTS');
  await page.locator('.room', { hasText: 'Launch week' }).click();
  await page.getByRole('button', { name: 'Details' }).click();
  await page.getByRole('button', { name: 'Unmute on this device' }).click();
  await page.locator('.room', { hasText: 'Minsu Kim' }).click();
  await says(page, 'Launch week', 'sarah', 'aloud');
  await until(async () => (await told(page)).length === 1, 'it is told again');
  await page.context().close();
});

test('the icon of the page shows the unread count, and is plain again once all is read', async () => {
  const page = await listening();
  const icon = () => page.locator('link[rel=icon]').getAttribute('href');
  await until(async () => (await icon()).startsWith('data:image/png'), 'the number is drawn');
  for (const name of ['Claim 2291', 'Yuna Park']) {
    await page.locator('.room', { hasText: name }).click();
    await until(async () => (await page.locator('.room', { hasText: name }).locator('.badge').count()) === 0, `${name} is read`);
  }
  await until(async () => (await icon()).endsWith('icon.svg'), 'the plain icon');
  assert.equal(await page.title(), 'RTS');
  assert.deepEqual(page.complaints, []);
  await page.context().close();
});
