// Builds what the browser tests need, then runs them: the app on a server in memory, and on a real cluster.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const run = (program, ...args) => {
  const { status } = spawnSync(program, args, { cwd: here('..'), stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? 1);
};
const ng = here('../node_modules/@angular/cli/bin/ng.js');
const wanted = process.argv.slice(2);
const tests = ['demo', 'cluster', 'features'].filter((name) => wanted.length === 0 || wanted.includes(name));

if (tests.includes('demo')) run(process.execPath, ng, 'build', '--configuration', 'demo');
if (tests.includes('cluster') || tests.includes('features')) run(process.execPath, ng, 'build');
run(process.execPath, '--test', '--test-concurrency=1', '--test-timeout=300000', ...tests.map((name) => `e2e/${name}.test.mjs`));
