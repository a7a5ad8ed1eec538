// Measures what people wait for, on a real cluster: the first chat list after a load of the page, and the longest task while
// scrolling back through 2,000 messages. Figures of a small machine vary: it prints those of several rounds.
import { launch } from './browser.mjs';
import { Cluster } from './cluster.mjs';
import { bubbles, open, until } from './support.mjs';

const ROUNDS = 7;
const ANN = { userId: 'ann', name: 'Ann Miller' };

const cluster = await Cluster.start('--env', 'gateway:RTS_LIMIT_SEND_RATE=1000', '--env', 'gateway:RTS_LIMIT_SEND_BURST=2000');
const browser = await launch();
const spread = (values) => {
  const sorted = [...values].sort((a, b) => a - b);
  return `${sorted[0].toFixed(0)} / ${sorted[Math.floor(sorted.length / 2)].toFixed(0)} / ${sorted.at(-1).toFixed(0)} ms (least, median, most of ${values.length})`;
};
try {
  const bob = await cluster.client('bob', 'Bob');
  for (let number = 0; number < 60; number += 1) {
    const { room } = await bob.invoke('CreateRoom', { kind: 'group', memberIds: ['ann'], name: `Team ${number}` });
    await bob.invoke('SendMessage', { roomId: room.roomId, clientId: `first-${number}`, body: 'hello' });
  }
  const { room } = await bob.invoke('CreateRoom', { kind: 'group', memberIds: ['ann'], name: 'A long story' });
  for (let from = 1; from <= 2_000; from += 20) {
    const numbers = Array.from({ length: 20 }, (_, index) => from + index);
    await Promise.all(numbers.map((n) => bob.invoke('SendMessage', { roomId: room.roomId, clientId: `story-${n}`, body: `chapter ${n}: ${'words '.repeat(n % 40)}` })));
  }
  await bob.stop();

  const page = await open(browser, cluster.web, { signIn: ANN });
  await page.addInitScript(() => {
    globalThis.tasks = [];
    new PerformanceObserver((list) => globalThis.tasks.push(...list.getEntries().map(({ duration }) => duration))).observe({ type: 'longtask', buffered: true });
    const look = () => {
      if (document.querySelector('.room')) globalThis.listed = performance.now();
      else requestAnimationFrame(look);
    };
    look();
  });
  const lists = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    await page.reload();
    lists.push(await until(() => page.evaluate(() => globalThis.listed), 'the list'));
  }
  console.log(`first chat list, 61 chats: ${spread(lists)}`);

  const longest = [];
  for (let round = 0; round < 3; round += 1) {
    await page.reload();
    await page.locator('.room', { hasText: 'A long story' }).click();
    await page.locator('.bubble').first().waitFor();
    const newest = page.locator('button.newest');
    if (await newest.isVisible()) await newest.click();
    await until(async () => (await bubbles(page)).some((text) => text.startsWith('chapter 2000')), 'the newest');
    await page.evaluate(() => (globalThis.tasks.length = 0));
    await until(async () => {
      await page.locator('.scroller').evaluate((element) => element.scrollBy(0, -1_500));
      return page.evaluate(() => [...document.querySelectorAll('.bubble .text')].some((text) => text.textContent.trim().startsWith('chapter 1:')));
    }, 'the first chapter', 240_000);
    longest.push(await page.evaluate(() => Math.max(0, ...globalThis.tasks)));
  }
  console.log(`longest task while scrolling through 2,000 messages: ${spread(longest)}`);
} finally {
  await browser.close();
  await cluster.stop();
}
