// Messages that expire: no method returns them any more, long before DynamoDB deletes them.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { cast, makeGroup, send } from "../lib/cast.js";
import { Cluster } from "../lib/cluster.js";
import { until } from "../lib/wait.js";

const KEPT_SECONDS = 8.64;

let cluster;
before(async () => (cluster = await Cluster.start(["--retention-days", `${KEPT_SECONDS / 86_400}`])), { timeout: 180_000 });
after(() => cluster?.stop());

test("an expired message is gone everywhere", { timeout: 60_000 }, async (t) => {
  const [ann, bob] = await cast(t, cluster, "ann", "bob");
  const roomId = await makeGroup(ann, [bob]);
  const { seq } = await send(ann, roomId, `@${bob.user} soon gone`);
  const stored = await until(async () => (await cluster.dynamo.messages(roomId, [seq]))[0], "it is stored", 20_000, 200);
  assert.equal(stored.expiresAt, Math.floor(seq / 1_000_000) + Math.floor(KEPT_SECONDS));
  const listed = async () => (await bob.call("ListRooms", {})).rooms[0];
  await until(async () => (await bob.call("GetHistory", { roomId })).messages.length === 0, "it has expired", 30_000, 300);
  assert.ok(Date.now() * 1000 - seq >= KEPT_SECONDS * 1_000_000);
  const { unread, mentions, lastMessage } = await listed();
  assert.deepEqual([unread, mentions, lastMessage], [0, 0, undefined]);
  for (const [method, more] of [["EditMessage", { body: "x" }], ["DeleteMessage", {}], ["React", { emoji: "👍", on: true }]]) {
    assert.equal((await ann.refusal(method, { roomId, seq, ...more })).code, "notFound", method);
  }
  const next = await send(bob, roomId, "later");
  assert.deepEqual((await ann.call("GetHistory", { roomId })).messages.map((message) => message.seq), [next.seq]);
  const { rooms } = await ann.call("Resume", { rooms: [{ roomId, seq: 0 }] });
  assert.deepEqual([rooms[0].truncated, rooms[0].events], [true, []]);
});
