// The sections of the conformance suite. Each is a file that runs alone or, imported by
// `test/conformance.test.js`, concurrently with the others on one cluster, so that those that wait for the
// protocol's timers (15, 30, 60, 90 seconds) wait at the same time.

import { after, before, describe, test } from "node:test";

import { Cluster } from "../cluster.js";
import { Instance } from "../instance.js";

/** An origin that may connect, besides the cluster's own. */
export const ALLOWED_PAGE = "https://app.example.com";
/** Longer than any timer of the protocol. */
const CASE = { timeout: 140_000 };
/** Concurrent cases of one section; sections that mostly wait have no such limit. */
const AT_ONCE = 4;

const beside = [];
const afterwards = [];
/** The cluster that the cases run on, and the instance of its first node; set once they run. */
export const world = {};

/**
 * Declares a section.
 * @param {string} name
 * @param {(test: (name: string, run: (t: object) => Promise<void>) => void) => void} cases
 * @param {{waits?: boolean, alone?: boolean}} [how] `waits`: the cases mostly wait, and all run at once; `alone`: the cases
 *   disturb the nodes, and run one by one after everything else
 */
export function section(name, cases, { waits = false, alone = false } = {}) {
  if (beside.length + afterwards.length === 0) setImmediate(declare);
  (alone ? afterwards : beside).push({ name, cases, waits });
}

function declare() {
  before(async () => (world.cluster = await start()), { timeout: 180_000 });
  after(() => world.cluster?.stop());
  describe("the protocol", { concurrency: beside.length + 1 }, () => {
    for (const { name, cases, waits } of beside) describe(name, { concurrency: waits ? 100 : AT_ONCE }, () => cases(define));
  });
  for (const { name, cases } of afterwards) describe(name, () => cases(define));
}

const define = (name, run) => test(name, CASE, run);

/** Starts two nodes, the first of them on an instance of AWS that may leave. */
async function start() {
  world.instance = await Instance.start();
  const ofFirst = Object.entries(world.instance.variables).flatMap(([name, value]) => ["--env", `gateway-1:${name}=${value}`]);
  return Cluster.start(["--env", `gateway:RTS_ALLOWED_ORIGINS=${ALLOWED_PAGE}`, ...ofFirst]);
}
