// GetHistory: pages in both directions.

import assert from "node:assert/strict";
import { test } from "node:test";

import { cast, makeGroup, send } from "../../lib/cast.js";
import { historyOf } from "../../lib/resilient-client.js";

const COUNT = 60;

export function history(shared) {
  test("history comes in ascending pages, from either end", async (t) => {
    const [ann, bob] = await cast(t, shared.cluster, "ann", "bob");
    const roomId = await makeGroup(ann, [bob]);
    const sent = [];
    for (let number = 0; number < COUNT; number += 1) sent.push(await send(number % 2 ? ann : bob, roomId, `${number}`));
    const seqs = sent.map(({ seq }) => seq);
    const page = async (request) => {
      const { messages, hasMore } = await bob.call("GetHistory", { roomId, ...request });
      return [messages.map(({ seq }) => seqs.indexOf(seq)), hasMore];
    };
    const range = (from, to) => Array.from({ length: to - from }, (_, index) => from + index);

    // Without bounds, or with `before` only: the newest of the range, 50 by default.
    assert.deepEqual(await page({}), [range(10, 60), true]);
    assert.deepEqual(await page({ limit: 5 }), [range(55, 60), true]);
    assert.deepEqual(await page({ limit: 60 }), [range(0, 60), false]);
    assert.deepEqual(await page({ limit: 1_000_000 }), [range(0, 60), false]);
    assert.deepEqual(await page({ before: seqs[55], limit: 3 }), [range(52, 55), true]);
    assert.deepEqual(await page({ before: seqs[3], limit: 3 }), [range(0, 3), false]);
    assert.deepEqual(await page({ before: seqs[0] }), [[], false]);
    assert.deepEqual(await page({ before: 0 }), [[], false]);
    assert.deepEqual(await page({ before: Number.MAX_SAFE_INTEGER, limit: 1 }), [[59], true]);
    // With `after`: upwards from it.
    assert.deepEqual(await page({ after: 0, limit: 3 }), [range(0, 3), true]);
    assert.deepEqual(await page({ after: seqs[55], limit: 3 }), [range(56, 59), true]);
    assert.deepEqual(await page({ after: seqs[56], limit: 3 }), [range(57, 60), false]);
    assert.deepEqual(await page({ after: seqs[59] }), [[], false]);
    // Both: the open interval between them.
    assert.deepEqual(await page({ after: seqs[10], before: seqs[14] }), [range(11, 14), false]);
    assert.deepEqual(await page({ after: seqs[10], before: seqs[14], limit: 2 }), [[11, 12], true]);
    assert.deepEqual(await page({ after: seqs[10], before: seqs[11] }), [[], false]);
    assert.deepEqual(await page({ after: seqs[11], before: seqs[10] }), [[], false]);
    assert.deepEqual(await page({ before: null, after: null, limit: null }), [range(10, 60), true]);
    for (const limit of [0, -5]) assert.equal((await bob.refusal("GetHistory", { roomId, limit })).code, "invalidArgument");
  });

  test("a page shows messages in their current version, at their original position", async (t) => {
    const [ann] = await cast(t, shared.cluster, "ann");
    const roomId = await makeGroup(ann);
    const [one, two, three] = [await send(ann, roomId, "1"), await send(ann, roomId, "2"), await send(ann, roomId, "3")];
    await ann.call("DeleteMessage", { roomId, seq: two.seq });
    await ann.call("EditMessage", { roomId, seq: one.seq, body: "1!" });
    await ann.call("RenameRoom", { roomId, name: "No message" });
    const { messages } = await ann.call("GetHistory", { roomId });
    assert.deepEqual(messages.map(({ seq, body, deleted }) => [seq, body, deleted]), [
      [one.seq, "1!", false],
      [two.seq, "", true],
      [three.seq, "3", false],
    ]);
  });

  test("history is complete even if the room's stream was trimmed", { timeout: 180_000 }, async (t) => {
    const clients = await cast(t, shared.cluster, ...Array.from({ length: 30 }, (_, number) => `s${number}`));
    const roomId = await makeGroup(clients[0], clients.slice(1));
    const sent = (await Promise.all(clients.map(async (client) => {
      const mine = [];
      for (let number = 0; number < 40; number += 1) mine.push(await send(client, roomId, `${client.user} ${number}`));
      return mine;
    }))).flat().sort((one, other) => one.seq - other.seq);
    const edited = sent[5];
    const author = clients.find(({ user }) => user === edited.senderId);
    const { message } = await author.call("EditMessage", { roomId, seq: edited.seq, body: "an old one, edited" });
    const whole = await historyOf(clients[1], roomId);
    assert.deepEqual(whole.map(({ seq }) => seq), sent.map(({ seq }) => seq));
    assert.deepEqual(whole[5], message);
    const downwards = [];
    for (let before; ; ) {
      const { messages, hasMore } = await clients[2].call("GetHistory", { roomId, before, limit: 130 });
      downwards.unshift(...messages);
      if (!hasMore) break;
      before = messages[0].seq;
    }
    assert.deepEqual(downwards, whole);
  });
}
