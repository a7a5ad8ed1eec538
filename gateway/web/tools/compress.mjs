// Writes compressed versions beside the files of the built app, which gateways serve as they are.
import { readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';

const ROOT = fileURLToPath(new URL('../dist/', import.meta.url));
const WORTH_IT = new Set(['.html', '.js', '.css', '.svg', '.json', '.txt']);

for (const name of await readdir(ROOT, { recursive: true })) {
  const file = join(ROOT, name);
  // For servers of Angular only, which the app does not use.
  if (name === 'prerendered-routes.json') await rm(file);
  else if (WORTH_IT.has(extname(name)) && (await stat(file)).isFile()) {
    const body = await readFile(file);
    const params = { [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY, [constants.BROTLI_PARAM_SIZE_HINT]: body.length };
    const forms = { br: brotliCompressSync(body, { params }), gz: gzipSync(body, { level: 9 }) };
    for (const [ending, form] of Object.entries(forms)) {
      if (form.length < body.length) await writeFile(`${file}.${ending}`, form);
    }
  }
}
