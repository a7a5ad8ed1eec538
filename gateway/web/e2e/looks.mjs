// The looks of the app, and a tour of its views.
import { mkdir } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { signIn } from './support.mjs';

export const LOOKS = [
  { lang: 'en', theme: 'light', width: 1280, height: 800 },
  { lang: 'ko', theme: 'dark', width: 1280, height: 800 },
  { lang: 'ko', theme: 'light', width: 390, height: 844 },
  { lang: 'en', theme: 'dark', width: 390, height: 844 },
];

/** Desktop and phone, in both languages, light and dark. */
export const EVERY_LOOK = [{ width: 1280, height: 800 }, { width: 390, height: 844 }].flatMap((size) =>
  ['en', 'ko'].flatMap((lang) => ['light', 'dark'].map((theme) => ({ ...size, lang, theme }))),
);

export const nameOf = ({ lang, theme, width }) => `${width >= 800 ? 'desktop' : 'phone'}-${lang}-${theme}`;

/** Takes a picture into e2e/out, if the environment variable RTS_PICTURES is set. */
export async function picture(page, name) {
  if (!process.env.RTS_PICTURES) return;
  const out = fileURLToPath(new URL('./out/', import.meta.url));
  await mkdir(out, { recursive: true });
  await page.screenshot({ path: `${out}${name}.png` });
}

/** Signs in as the viewer of a scene and stops at each view. */
export async function walk(page, { viewer, title, typing }, stop) {
  await signIn(page, viewer);
  const room = page.locator('.room', { hasText: title });
  await room.waitFor();
  await typing();
  // Presence dots appear with the answer of WatchPresence, on servers that have it.
  await page.locator('.room .dot').first().waitFor({ timeout: 2_000 }).catch(() => undefined);
  await stop('list');
  await page.locator('.bar .icon-button.accent').click();
  await page.locator('dialog[open] input[role=combobox]').fill('mi');
  await page.locator('dialog[open] [role=option]').first().waitFor();
  await stop('new-chat');
  await page.keyboard.press('Escape');
  await page.locator('.account .icon-button').click();
  await page.locator('dialog[open] select').first().waitFor();
  await stop('settings');
  await page.keyboard.press('Escape');
  await room.click();
  await page.locator('.bubble').first().waitFor();
  const image = page.locator('.attachment img').last();
  if (await page.locator('.attachment').count()) {
    await image.waitFor();
    await image.evaluate((element) => element.decode());
  }
  await typing();
  await page.mouse.move(0, 0);
  await stop('conversation');
  await page.locator('.message').last().hover();
  await page.locator('.message-actions').waitFor();
  await stop('actions');
  await page.locator('textarea').fill('@');
  await page.locator('.mentions li').first().waitFor();
  await stop('mentions');
  await page.locator('textarea').fill('');
  await page.locator('.pane > .bar .icon-button').last().click();
  await page.locator('.members li').first().waitFor();
  await stop('details');
  await page.locator('.details .row-button').first().click();
  await page.locator('dialog[open] input').fill('ha');
  await stop('adding-people');
  await page.keyboard.press('Escape');
  await page.locator('.details .row-button.danger').click();
  await page.locator('dialog[open] .danger').waitFor();
  await stop('leaving');
  await page.keyboard.press('Escape');
}
