// Takes pictures of every look on a real cluster, into e2e/out. Korean needs a font for it (fonts-noto-cjk).
import { mkdir } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { launch } from './browser.mjs';
import { Cluster } from './cluster.mjs';
import { EVERY_LOOK, nameOf, walk } from './looks.mjs';
import { scene } from './scene.mjs';
import { open } from './support.mjs';

const OUT = fileURLToPath(new URL('./out/', import.meta.url));
await mkdir(OUT, { recursive: true });
const cluster = await Cluster.start();
const browser = await launch();
try {
  const scenes = { en: await scene(cluster, false), ko: await scene(cluster, true) };
  for (const look of EVERY_LOOK) {
    const name = nameOf(look);
    const page = await open(browser, cluster.web, look);
    await page.locator('form button').waitFor();
    await page.screenshot({ path: `${OUT}${name}-sign-in.png` });
    await walk(page, scenes[look.lang], (stop) => page.screenshot({ path: `${OUT}${name}-${stop}.png` }));
    await page.context().close();
  }
  for (const each of Object.values(scenes)) await each.close();
} finally {
  await browser.close();
  await cluster.stop();
}
