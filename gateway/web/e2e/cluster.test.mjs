// The built app in browsers, through the balancer of a real cluster of two nodes.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { launch } from './browser.mjs';
import { Cluster } from './cluster.mjs';
import { assertAccessible, bubbles, open, say, until } from './support.mjs';

const ANN = { userId: 'ann', name: 'Ann Miller' };
const MINSU = { userId: 'minsu', name: '김민수' };

let cluster;
let browser;

before(async () => {
  cluster = await Cluster.start('--env', 'gateway:RTS_LIMIT_SEND_RATE=1000', '--env', 'gateway:RTS_LIMIT_SEND_BURST=2000');
  browser = await launch();
});
after(async () => {
  await browser?.close();
  await cluster?.stop();
});

/** Two users in two browsers, on two nodes. */
async function apart() {
  let ann;
  const nodeOfAnn = await cluster.nodeOf(async () => (ann = await open(browser, cluster.web, { lang: 'en', signIn: ANN })));
  for (let attempt = 0; attempt < 30; attempt += 1) {
    let minsu;
    const nodeOfMinsu = await cluster.nodeOf(async () => (minsu = await open(browser, cluster.web, { lang: 'ko', theme: 'dark', signIn: MINSU })));
    if (nodeOfMinsu !== nodeOfAnn) return { ann, minsu, nodeOfAnn, nodeOfMinsu };
    const before = await cluster.connections();
    await minsu.context().close();
    await until(async () => (await cluster.connections())[nodeOfMinsu - 1] < before[nodeOfMinsu - 1], 'a connection is gone');
    await fetch(`${cluster.balancer}/livez`);
  }
  throw new Error('the balancer puts everyone on one node');
}

const last = (page) => bubbles(page).then((all) => all.at(-1));

async function startDirect(page, userId) {
  await page.locator('.bar .icon-button.accent').click();
  const field = page.locator('dialog[open] input[role=combobox]');
  await field.fill(userId);
  await page.locator('dialog[open] [role=option]', { hasText: userId }).first().click();
  await page.locator('dialog[open] footer .primary').click();
  await page.locator('textarea').waitFor();
}

describe('two browsers on two nodes', () => {
  let ann;
  let minsu;
  let nodeOfMinsu;

  before(async () => {
    ({ ann, minsu, nodeOfMinsu } = await apart());
  });
  after(async () => {
    await ann?.context().close();
    await minsu?.context().close();
  });

  test('chat in both languages, with delivery marks', async () => {
    await startDirect(ann, 'minsu');
    await say(ann, 'Hello Minsu!');
    await minsu.locator('.room', { hasText: 'Ann Miller' }).click();
    await until(async () => (await last(minsu)) === 'Hello Minsu!', 'the greeting arrives');
    await ann.locator('.state.read').first().waitFor();
    await say(minsu, '안녕하세요, Ann! 만나서 반가워요 👋');
    await until(async () => (await last(ann)) === '안녕하세요, Ann! 만나서 반가워요 👋', 'the answer arrives');
    await ann.getByRole('heading', { name: '김민수' }).waitFor();
    await assertAccessible(ann, 'the English side');
    await assertAccessible(minsu, 'the Korean side');
  });

  test('edit, reply and delete', async () => {
    await say(ann, 'See you at twleve');
    await until(async () => (await last(minsu)) === 'See you at twleve', 'the first writing');
    await ann.locator('textarea').press('ArrowUp');
    await until(async () => (await ann.locator('textarea').inputValue()) === 'See you at twleve', 'the text to edit');
    await ann.locator('textarea').fill('See you at twelve');
    await ann.locator('textarea').press('Enter');
    await until(async () => (await last(minsu)) === 'See you at twelve', 'the correction');
    await minsu.locator('.message').last().getByText('수정됨').waitFor();
    await minsu.locator('.message').last().hover();
    await minsu.getByRole('button', { name: '답장' }).click();
    await say(minsu, '좋아요');
    await ann.locator('.message').last().locator('.quote', { hasText: 'See you at twelve' }).waitFor();
    await minsu.locator('.message').last().hover();
    await minsu.locator('.message').last().getByRole('button', { name: '삭제' }).click();
    await minsu.locator('dialog[open] .danger').click();
    await ann.locator('.bubble.deleted').waitFor();
    await say(ann, 'until then');
    await until(async () => (await last(minsu)) === 'until then', 'it goes on');
  });

  test('after the node of one user dies both write on, and nothing is lost or duplicated on either side', async () => {
    const before = (await bubbles(ann)).length;
    const wanted = [];
    const write = async (from, to) => {
      for (let n = from; n <= to; n += 1) {
        await say(ann, `ann ${n}`);
        await say(minsu, `민수 ${n}`);
        wanted.push(`ann ${n}`, `민수 ${n}`);
      }
    };
    await write(1, 5);
    await cluster.command(`kill gateway-${nodeOfMinsu}`);
    await write(6, 20);
    const written = async (page) => (await bubbles(page)).slice(before).sort();
    for (const page of [ann, minsu]) {
      await until(async () => (await written(page)).length >= wanted.length, 'everything is there', 60_000);
      await until(async () => (await page.locator('[data-pending]').count()) === 0, 'everything is sent', 60_000);
      assert.deepEqual(await written(page), [...wanted].sort());
    }
    const order = (page) => bubbles(page).then((all) => all.slice(before));
    assert.deepEqual(await order(ann), await order(minsu), 'one order for both');
    await cluster.command(`start gateway-${nodeOfMinsu}`);
    for (const page of [ann, minsu]) {
      await page.reload();
      await until(async () => (await bubbles(page)).length >= before + wanted.length, 'history has it too', 30_000);
      assert.deepEqual((await bubbles(page)).slice(-wanted.length).sort(), [...wanted].sort());
      assert.deepEqual(page.complaints, []);
    }
  });
});

test('scrolling back through 2,000 messages skips none, and keeps the scroll position', async () => {
  const bob = await cluster.client('bob', 'Bob');
  const { room } = await bob.invoke('CreateRoom', { kind: 'group', memberIds: ['ann'], name: 'A long story' });
  for (let from = 1; from <= 2_000; from += 20) {
    const numbers = Array.from({ length: 20 }, (_, index) => from + index);
    await Promise.all(numbers.map((n) => bob.invoke('SendMessage', { roomId: room.roomId, clientId: `story-${n}`, body: `chapter ${n}` })));
  }
  await bob.invoke('MarkRead', { roomId: room.roomId, seq: Number.MAX_SAFE_INTEGER }).catch(() => undefined);
  await bob.stop();

  const page = await open(browser, cluster.web, { signIn: ANN });
  await page.locator('.room', { hasText: 'A long story' }).click();
  await page.locator('.bubble').first().waitFor();
  const scroller = page.locator('.scroller');
  const newest = page.getByRole('button', { name: 'Jump to the newest message' });
  if (await newest.isVisible()) await newest.click();
  await until(async () => (await last(page)) === 'chapter 2000', 'the newest');

  const seen = new Set();
  let mostRows = 0;
  await until(async () => {
    const numbers = (await bubbles(page)).map((text) => Number(text.replace('chapter ', '')));
    assert.ok(numbers.every((n, index) => index === 0 || n === numbers[index - 1] + 1), 'without a hole');
    numbers.forEach((n) => seen.add(n));
    mostRows = Math.max(mostRows, numbers.length);
    // The top row stays in view when older rows are added above it.
    await scroller.evaluate((element) => element.scrollBy(0, -2_000));
    return seen.has(1);
  }, 'the first chapter', 120_000);
  assert.equal(seen.size, 2_000);
  assert.ok(mostRows <= 320, `${mostRows} rows at once`);

  await scroller.evaluate((element) => element.scrollTo(0, 0));
  await page.getByText('This is the beginning of the conversation.').waitFor();
  const place = () => page.getByText('chapter 3', { exact: true }).boundingBox();
  const before = await place();
  const author = await cluster.client('bob', 'Bob');
  await author.invoke('SendMessage', { roomId: room.roomId, clientId: 'epilogue', body: 'epilogue' });
  await author.stop();
  await newest.locator('.badge').waitFor();
  assert.deepEqual(await place(), before, 'what is new does not move what is read');
  await newest.click();
  await until(async () => (await last(page)) === 'epilogue', 'the newest message');
  assert.deepEqual(page.complaints, []);
  await page.context().close();
});
