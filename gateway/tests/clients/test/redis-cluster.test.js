// The conversation on a Redis Cluster of three masters.

import { after, before, test } from "node:test";

import { Cluster } from "../lib/cluster.js";
import { converse } from "../lib/conversation.js";

let cluster;
before(async () => (cluster = await Cluster.start(["--redis-servers", "3"])), { timeout: 180_000 });
after(() => cluster?.stop());

test("a conversation on three Redis masters", { timeout: 180_000 }, async () => {
  await converse(cluster, { name: "cluster", versions: [10, 5], messages: 120 });
});
