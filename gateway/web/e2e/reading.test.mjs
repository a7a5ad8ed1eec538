// Read marks and scroll positions: on an in-memory server, in a browser, because only that knows what was on the screen.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openDemo, shareDemo } from './demo.mjs';
import { until } from './support.mjs';

shareDemo();

/** Opens a page with one more room, in which nothing is read: `count` numbered messages of Minsu. */
async function withRoom(count) {
  const page = await openDemo();
  await page.locator('.room').first().waitFor();
  await page.evaluate((many) => {
    const { server } = globalThis.demo;
    const { roomId } = server.addRoom('group', ['jiwoo', 'minsu'], 'Numbers');
    globalThis.numbers = {
      roomId,
      told: 0,
      say: (n) => Array.from({ length: n }, () => server.say(roomId, 'minsu', `Number ${++globalThis.numbers.told}.`)),
      messages: () => server.get(roomId).messages,
      readSeq: () => server.get(roomId).room.members.find(({ userId }) => userId === 'jiwoo').readSeq,
    };
    globalThis.numbers.say(many);
  }, count);
  await enter(page);
  return page;
}

const room = (page) => page.locator('.room', { hasText: 'Numbers' });
const enter = async (page) => {
  await room(page).click();
  await page.locator('.bubble').first().waitFor();
};
const sayMore = (page, n) => page.evaluate((many) => void globalThis.numbers.say(many), n);
/** The number of messages that the server counts as read. */
const readCount = (page) => page.evaluate(() => globalThis.numbers.messages().filter(({ seq }) => seq <= globalThis.numbers.readSeq()).length);
/** The numbers on the screen. */
const inSight = (page) =>
  page.evaluate(() => {
    const { top, bottom } = document.querySelector('.scroller').getBoundingClientRect();
    const rows = [...document.querySelectorAll('.message')].filter((row) => row.getBoundingClientRect().bottom > top && row.getBoundingClientRect().top < bottom);
    return rows.map((row) => Number(/Number (\d+)\./.exec(row.textContent)?.[1])).filter((n) => n > 0);
  });
/** Waits for read marks, which are sent at most every 0.8 s. */
const told = (page) => page.waitForTimeout(1_200);
const badge = async (page) => Number((await room(page).locator('.badge > span[aria-hidden]').textContent({ timeout: 500 }).catch(() => '0')));

test('a long chat first opens at its beginning, and only messages on the screen are marked as read', async () => {
  const page = await withRoom(150);
  await page.locator('.unread-mark').waitFor();
  await told(page);
  const seen = await inSight(page);
  assert.equal(seen[0], 1);
  assert.ok(seen.at(-1) < 40, `${seen.at(-1)} is in sight`);
  assert.equal(await readCount(page), seen.at(-1));
  assert.equal(await badge(page), 150 - seen.at(-1));
  await page.mouse.move(800, 400);
  for (let turn = 0; (await readCount(page)) < 150 && turn < 60; turn += 1) {
    await page.mouse.wheel(0, 400);
    await page.waitForTimeout(100);
  }
  await told(page);
  assert.equal(await readCount(page), 150, 'who scrolls through has read it');
  assert.deepEqual(page.complaints, []);
  await page.context().close();
});

for (const [name, leave, back] of [
  ['a window without focus', () => (document.hasFocus = () => false), () => { delete document.hasFocus; dispatchEvent(new Event('focus')); }],
  [
    'a hidden tab',
    () => { Object.defineProperty(document, 'visibilityState', { value: 'hidden', configurable: true }); document.dispatchEvent(new Event('visibilitychange')); },
    () => { delete document.visibilityState; document.dispatchEvent(new Event('visibilitychange')); },
  ],
]) {
  test(`in ${name} nobody reads: new messages come after a mark and stay unread`, async () => {
    const page = await withRoom(3);
    await told(page);
    assert.equal(await readCount(page), 3);
    for (const more of [40, 30]) {
      const before = await readCount(page);
      await page.evaluate(leave);
      for (let n = 0; n < more; n += 10) {
        await sayMore(page, 10);
        await page.waitForTimeout(50);
      }
      await told(page);
      assert.equal(await readCount(page), before, 'nobody was there');
      assert.equal(await badge(page), more);
      await page.evaluate(back);
      await told(page);
      const seen = await inSight(page);
      assert.ok(seen.includes(before + 1) && seen.at(-1) < before + more, `the first new one is in sight, the last is not: ${seen}`);
      assert.equal(await readCount(page), seen.at(-1));
      const [mark, first] = await Promise.all([page.locator('.unread-mark').boundingBox(), page.locator('.message', { hasText: `Number ${before + 1}.` }).boundingBox()]);
      assert.ok(first.y - mark.y > 0 && first.y - mark.y < 80, 'the mark is right above it');
      await page.getByRole('button', { name: 'Jump to the newest message' }).click();
      await told(page);
      assert.equal(await readCount(page), before + more);
    }
    await page.context().close();
  });
}

test('messages delayed by a lost connection are not read by arriving all at once', async () => {
  const page = await withRoom(3);
  await told(page);
  await page.evaluate(() => globalThis.demo.hub.drop());
  await sayMore(page, 200);
  await page.locator('.message', { hasText: 'Number 4.' }).waitFor();
  await told(page);
  const seen = await inSight(page);
  assert.ok(seen.includes(4) && seen.at(-1) < 60, `in sight: ${seen}`);
  assert.equal(await readCount(page), seen.at(-1));
  await page.locator('.unread-mark').waitFor();
  await page.context().close();
});

test('a chat reopens at the position where it was left', async () => {
  const page = await withRoom(150);
  await page.mouse.move(800, 400);
  for (let turn = 0; turn < 8; turn += 1) {
    await page.mouse.wheel(0, 300);
    await page.waitForTimeout(60);
  }
  await told(page);
  const [first] = await inSight(page);
  const top = page.locator('.message', { hasText: `Number ${first}.` });
  const [{ y }, read] = [await top.boundingBox(), await readCount(page)];
  assert.ok(first > 10, `${first} is on top`);
  await page.locator('.room', { hasText: 'Launch week' }).click();
  await page.locator('.bubble', { hasText: 'freeze the texts' }).waitFor();
  await enter(page);
  await told(page);
  assert.ok(Math.abs((await top.boundingBox()).y - y) < 2, 'it is where it was');
  assert.equal(await readCount(page), read);
  await page.context().close();
});

test('an absence too long for a resume changes neither the position nor the read mark', async () => {
  const page = await withRoom(150);
  await page.mouse.move(800, 400);
  for (let turn = 0; turn < 6; turn += 1) {
    await page.mouse.wheel(0, 300);
    await page.waitForTimeout(60);
  }
  await told(page);
  const [seen, read] = [await inSight(page), await readCount(page)];
  await page.evaluate(() => globalThis.demo.hub.drop());
  await sayMore(page, 700);
  await until(async () => (await badge(page)) === 850 - read, 'the count of all that is unread');
  await told(page);
  assert.deepEqual(await inSight(page), seen);
  assert.equal(await readCount(page), read);
  await page.context().close();
});

test('a user who replies before having read everything sees the reply, and no more is marked as read', async () => {
  const page = await withRoom(150);
  await told(page);
  const read = await readCount(page);
  await page.locator('textarea').fill('an answer');
  await page.locator('textarea').press('Enter');
  const answer = page.locator('.message', { hasText: 'an answer' });
  await answer.waitFor();
  await told(page);
  const { bottom } = await page.evaluate(() => document.querySelector('.scroller').getBoundingClientRect().toJSON());
  const box = await answer.boundingBox();
  assert.ok(box.y > 0 && box.y + box.height <= bottom + 1, 'it is in sight');
  assert.equal(await readCount(page), read);
  assert.equal(await badge(page), 150 - read);
  await page.context().close();
});

test('jumping to a search hit does not mark what lies before it as read', async () => {
  const page = await withRoom(150);
  await told(page);
  const read = await readCount(page);
  await page.getByRole('searchbox').fill('Number 90.');
  await page.locator('.hit').first().click();
  await page.locator('.message.highlighted', { hasText: 'Number 90.' }).waitFor();
  await told(page);
  assert.equal(await readCount(page), read);
  await page.context().close();
});
