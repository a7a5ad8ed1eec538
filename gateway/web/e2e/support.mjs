import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';

const AXE = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** Opens a page in its own browser context; relevant console errors are collected in `page.complaints`. */
export async function open(browser, url, { lang = 'en', theme = 'light', width = 1280, height = 800, touch = false, signIn: who } = {}) {
  const context = await browser.newContext({ viewport: { width, height }, locale: lang, hasTouch: touch, isMobile: touch });
  const page = await context.newPage();
  page.complaints = [];
  page.on('pageerror', (error) => page.complaints.push(String(error)));
  page.on('console', (message) => {
    if (message.type() === 'error' && /Content.Security|Refused|NG\d|TrustedHTML/i.test(message.text())) page.complaints.push(message.text());
  });
  await page.addInitScript(([l, t]) => {
    localStorage.setItem('rts.language', l);
    localStorage.setItem('rts.theme', t);
  }, [lang, theme]);
  await page.goto(url);
  if (who) await signIn(page, who);
  return page;
}

/** Signs in by the development login. */
export async function signIn(page, { userId, name, orgId }) {
  await page.locator('input[name=userId]').fill(userId);
  await page.locator('input[name=name]').fill(name);
  if (orgId) await page.locator('input[name=org]').fill(orgId);
  await page.locator('form button').click();
  await page.locator('.account').waitFor();
}

/** Asserts that axe-core finds no violation. axe-core is injected by the browser, so the page's policy does not block it. */
export async function assertAccessible(page, where) {
  await page.evaluate(AXE);
  // Colours on their way are nobody's: what ends is waited for, what goes on for ever (someone types) is not.
  await page.evaluate(() => {
    const ends = document.getAnimations().filter(({ effect }) => effect?.getComputedTiming().endTime !== Infinity);
    return Promise.all(ends.map(({ finished }) => finished.catch(() => undefined)));
  });
  const { violations } = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ['violations'] }));
  const told = violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html, failureSummary }) => `${html.slice(0, 200)}\n    ${failureSummary}`).join('\n  ')}`);
  assert.deepEqual(told, [], `${where} is not accessible`);
}

/** Waits until a condition holds. */
export async function until(condition, what, ms = 20_000) {
  const end = Date.now() + ms;
  for (;;) {
    const value = await condition();
    if (value) return value;
    if (Date.now() > end) throw new Error(`not within ${ms} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

export const bubbles = (page) => page.locator('.bubble .text').allTextContents().then((texts) => texts.map((text) => text.trim()));

export async function say(page, text) {
  await page.locator('textarea').fill(text);
  await page.locator('textarea').press('Enter');
}
