// Users on different nodes, with old and new clients, have one conversation.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { Cluster } from "../lib/cluster.js";
import { converse } from "../lib/conversation.js";

let cluster;
before(async () => (cluster = await Cluster.start()), { timeout: 180_000 });
after(() => cluster?.stop());

const PAIRS = [
  ["10.0 and 10.0", 10, 10],
  ["5.0 and 5.0", 5, 5],
  ["10.0 and 5.0", 10, 5],
];

for (const [name, ...versions] of PAIRS) {
  test(`500 messages between ${name}`, { timeout: 180_000 }, async () => {
    const result = await converse(cluster, { name: name.replaceAll(/\W/g, ""), versions, messages: 500 });
    assert.ok(result.sent >= 500);
  });
}
