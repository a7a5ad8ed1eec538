// The demo, the app on its in-memory server, in a browser that all tests of a file share.
import { after, before } from 'node:test';
import { launch } from './browser.mjs';
import { serve } from './serve.mjs';
import { open } from './support.mjs';

let app;
let browser;

/** Serves the demo and starts the browser before the tests of the file that calls this, and ends both after them. */
export function shareDemo() {
  before(async () => {
    app = await serve('dist-demo');
    browser = await launch();
  });
  after(async () => {
    await browser?.close();
    app?.close();
  });
}

/** The address of the demo. */
export const address = () => app.url;

/** Opens the demo in a page of its own. */
export const openDemo = (look) => open(browser, app.url, look);

/** Opens one of the page's rooms by its title. */
export async function enter(page, title) {
  await page.locator('.room', { hasText: title }).click();
  await page.locator('.pane h1', { hasText: title }).waitFor();
  await page.locator('.bubble').first().waitFor();
}

/** Opens the demo in one of its rooms. */
export async function inRoom(title, look) {
  const page = await openDemo(look);
  await enter(page, title);
  return page;
}
