// Builds what the browser tests need, then runs them: the app on an in-memory server, and served by a real cluster.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const run = (...args) => {
  const { status } = spawnSync(process.execPath, args, { cwd: here('..'), stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? 1);
};
const ng = here('../node_modules/@angular/cli/bin/ng.js');
/** Tests on an in-memory server. */
const DEMO = ['demo', 'words', 'reading', 'losses', 'states', 'writing', 'hands', 'notifications'];
const TESTS = [...DEMO, 'folder', 'looks', 'hostile', 'sign-in', 'cluster', 'features'];
const wanted = process.argv.slice(2);
const unknown = wanted.find((name) => ![...TESTS, 'pictures', 'speed'].includes(name));
if (unknown !== undefined) {
  console.error(`There is no ${unknown}; there are ${TESTS.join(', ')} pictures and speed.`);
  process.exit(2);
}
const tests = wanted.length === 0 ? TESTS : TESTS.filter((name) => wanted.includes(name));

if (tests.some((name) => DEMO.includes(name))) run(ng, 'build', '--configuration', 'demo');
if (wanted.includes('pictures') || wanted.includes('speed') || tests.some((name) => !DEMO.includes(name))) {
  run(ng, 'build');
  run('tools/compress.mjs');
}
if (tests.length > 0) {
  const options = ['--test-reporter=spec', '--test-timeout=300000', '--test-force-exit'];
  const files = (wanted) => tests.filter(wanted).map((name) => `e2e/${name}.test.mjs`);
  const [demo, served] = [files((name) => DEMO.includes(name)), files((name) => !DEMO.includes(name))];
  // A cluster needs all cores.
  if (demo.length > 0) run('--test', ...options, '--test-concurrency=2', ...demo);
  if (served.length > 0) run('--test', ...options, '--test-concurrency=1', ...served);
}
if (wanted.includes('pictures')) run('e2e/pictures.mjs');
if (wanted.includes('speed')) run('e2e/speed.mjs');
