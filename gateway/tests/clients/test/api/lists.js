// ListRooms, MarkRead, MarkDelivered, and unread counts.

import assert from "node:assert/strict";
import { test } from "node:test";

import { cast, makeDirect, makeGroup, send } from "../../lib/cast.js";
import { until } from "../../lib/wait.js";

const ids = (answer) => answer.rooms.map(({ room }) => room.roomId);

async function listed(client, roomId) {
  const { rooms } = await client.call("ListRooms", {});
  return rooms.find(({ room }) => room.roomId === roomId);
}

export function lists(shared) {
  test("lists are ordered by last message, or else creation; edits do not move a room", async (t) => {
    const [ann, bob] = await cast(t, shared.cluster, "ann", "bob");
    assert.deepEqual(await ann.call("ListRooms", {}), { rooms: [] });
    const first = await makeGroup(ann, [bob], { name: "First" });
    const second = await makeGroup(ann, [bob], { name: "Second" });
    const third = await makeDirect(ann, bob);
    assert.deepEqual(ids(await ann.call("ListRooms", {})), [third, second, first]);
    const inSecond = await send(bob, second, "in second");
    const inFirst = await send(bob, first, "in first");
    assert.deepEqual(ids(await ann.call("ListRooms", {})), [first, second, third]);
    const { message } = await bob.call("EditMessage", { roomId: second, seq: inSecond.seq, body: "edited" });
    await ann.call("RenameRoom", { roomId: third === second ? first : second, name: "Renamed" });
    const answer = await ann.call("ListRooms", {});
    assert.deepEqual(ids(answer), [first, second, third]);
    const [, entry, empty] = answer.rooms;
    assert.deepEqual(entry.lastMessage, message);
    assert.equal(entry.headSeq, entry.room.headSeq);
    assert.ok(entry.headSeq > message.version);
    assert.deepEqual([entry.unread, entry.readSeq, entry.deliveredSeq], [1, 0, 0]);
    assert.deepEqual([empty.headSeq, empty.unread, "lastMessage" in empty], [0, 0, false]);
    await bob.call("DeleteMessage", { roomId: first, seq: inFirst.seq });
    const tombstone = (await listed(ann, first)).lastMessage;
    assert.deepEqual([tombstone.seq, tombstone.deleted, tombstone.body], [inFirst.seq, true, ""]);
    assert.deepEqual(ids(await ann.call("ListRooms", {})), [first, second, third]);
  });

  test("lists come in pages", async (t) => {
    const [ann] = await cast(t, shared.cluster, "ann");
    const made = [];
    for (let number = 0; number < 7; number += 1) made.unshift(await makeGroup(ann, [], { name: `Room ${number}` }));
    const pages = [];
    let cursor;
    do {
      const page = await ann.call("ListRooms", { limit: 3, cursor });
      pages.push(ids(page));
      cursor = page.cursor;
    } while (cursor);
    assert.deepEqual(pages.map(({ length }) => length), [3, 3, 1]);
    assert.deepEqual(pages.flat(), made);
    const whole = await ann.call("ListRooms", { limit: 7 });
    assert.deepEqual([whole.rooms.length, "cursor" in whole], [7, false]);
    assert.equal((await ann.call("ListRooms", { limit: 100_000 })).rooms.length, 7);
    for (const limit of [0, -1]) assert.equal((await ann.refusal("ListRooms", { limit })).code, "invalidArgument");
    for (const bad of ["", "x", "!!", "bm90IGEgY3Vyc29y"]) {
      assert.equal((await ann.refusal("ListRooms", { cursor: bad })).code, "invalidArgument", bad);
    }
  });

  test("a list can be searched by name, and holds archived rooms only on request", async (t) => {
    const [ann] = await cast(t, shared.cluster, "ann");
    const lunch = await makeGroup(ann, [], { name: "Lunch Club" });
    await makeGroup(ann, [], { name: "점심 모임" });
    assert.deepEqual(ids(await ann.call("ListRooms", { query: "LUNCH c" })), [lunch]);
    assert.equal(ids(await ann.call("ListRooms", { query: "점심" })).length, 1);
    assert.deepEqual(ids(await ann.call("ListRooms", { query: "dinner" })), []);
    assert.deepEqual(ids(await ann.call("ListRooms", { archived: true })), []);
    assert.equal(ids(await ann.call("ListRooms", { archived: false, query: null, limit: null, cursor: null })).length, 2);
  });

  test("unread counts others' messages after the mark, except deleted ones", async (t) => {
    const [ann, bob, cid] = await cast(t, shared.cluster, "ann", "bob", "cid");
    const roomId = await makeGroup(ann, [bob, cid]);
    const unread = async () => Promise.all([ann, bob, cid].map(async (client) => (await listed(client, roomId)).unread));
    const sent = [];
    for (const client of [ann, bob, cid, ann, bob, ann]) sent.push(await send(client, roomId));
    assert.deepEqual(await unread(), [3, 4, 5]);
    // Sending does not move the sender's mark; a mark on the user's own message covers everything before it.
    await ann.call("MarkRead", { roomId, seq: sent[3].seq });
    assert.deepEqual(await unread(), [1, 4, 5]);
    await bob.call("DeleteMessage", { roomId, seq: sent[4].seq });
    assert.deepEqual(await unread(), [0, 4, 4]);
    await bob.call("DeleteMessage", { roomId, seq: sent[4].seq });
    await bob.call("DeleteMessage", { roomId, seq: sent[1].seq });
    assert.deepEqual(await unread(), [0, 4, 3]);
    await ann.call("EditMessage", { roomId, seq: sent[0].seq, body: "edited" });
    assert.deepEqual(await unread(), [0, 4, 3]);
    await cid.call("MarkRead", { roomId, seq: sent[0].seq });
    assert.deepEqual(await unread(), [0, 4, 2]);
    await Promise.all([ann, bob, cid].map((client) => client.call("MarkRead", { roomId, seq: Number.MAX_SAFE_INTEGER })));
    assert.deepEqual(await unread(), [0, 0, 0]);
    await send(cid, roomId);
    assert.deepEqual(await unread(), [1, 1, 0]);
  });

  test("marks never go back, stop at the head, and reading implies delivery", async (t) => {
    const [ann, bob] = await cast(t, shared.cluster, "ann", "bob");
    const roomId = await makeDirect(ann, bob);
    const one = await send(ann, roomId, "one");
    const two = await send(ann, roomId, "two");
    assert.deepEqual(await bob.call("MarkDelivered", { roomId, seq: one.seq }), { deliveredSeq: one.seq });
    assert.deepEqual(await bob.call("MarkRead", { roomId, seq: one.seq - 1 }), { readSeq: one.seq - 1 });
    assert.deepEqual(await bob.call("MarkRead", { roomId, seq: 0 }), { readSeq: one.seq - 1 });
    assert.deepEqual(await bob.call("MarkRead", { roomId, seq: two.seq + 1_000_000 }), { readSeq: two.seq });
    assert.deepEqual(await bob.call("MarkDelivered", { roomId, seq: one.seq }), { deliveredSeq: two.seq });
    const { room } = await ann.call("GetRoom", { roomId });
    const member = room.members.find(({ userId }) => userId === bob.user);
    assert.deepEqual([member.readSeq, member.deliveredSeq], [two.seq, two.seq]);
    // Marks are not events of the room.
    assert.equal(room.headSeq, two.seq);
    for (const client of [ann, bob]) {
      const last = () => client.notices.filter(({ type }) => type === "ReceiptsUpdated").at(-1)?.receipts;
      await until(() => last()?.some(({ userId, readSeq }) => userId === bob.user && readSeq === two.seq), "bob's receipt");
    }
  });

  test("receipts of a room are batched: at most one record a second", async (t) => {
    const [ann, bob] = await cast(t, shared.cluster, "ann", "bob");
    const roomId = await makeDirect(ann, bob);
    const sent = [];
    for (let number = 0; number < 30; number += 1) sent.push(await send(ann, roomId, `${number}`));
    const begun = Date.now();
    for (const { seq } of sent) await bob.call("MarkRead", { roomId, seq });
    const took = Date.now() - begun;
    const records = () => ann.notices.filter(({ type }) => type === "ReceiptsUpdated");
    await until(() => records().at(-1)?.receipts[0].readSeq === sent.at(-1).seq, "the last receipt");
    assert.ok(records().length <= 2 + Math.ceil(took / 1000), `${records().length} records in ${took} ms`);
  });

  test("unread is exact up to 999, and 1000 means that many or more", { timeout: 180_000 }, async (t) => {
    const senders = await cast(t, shared.cluster, ...Array.from({ length: 26 }, (_, number) => `s${number}`));
    const [reader] = await cast(t, shared.cluster, "reader");
    const roomId = await makeGroup(reader, senders);
    const unread = async () => (await listed(reader, roomId)).unread;
    const fill = async (total) => {
      const each = Math.ceil(total / senders.length);
      let left = total;
      const shares = senders.map((sender) => {
        const share = Math.min(each, left);
        left -= share;
        return { sender, share };
      });
      await Promise.all(shares.map(async ({ sender, share }) => {
        for (let number = 0; number < share; number += 1) await send(sender, roomId, `${number}`);
      }));
    };
    await fill(999);
    assert.equal(await unread(), 999);
    await send(senders[25], roomId);
    assert.equal(await unread(), 1000);
    await send(senders[24], roomId);
    assert.equal(await unread(), 1000);
    // A mark that may lie before the stream's beginning is exact, too.
    const { messages } = await reader.call("GetHistory", { roomId, limit: 200 });
    await reader.call("MarkRead", { roomId, seq: messages[50].seq });
    assert.equal(await unread(), 149);
    const oldest = await reader.call("GetHistory", { roomId, after: 0, limit: 1 });
    await senders[3].call("MarkRead", { roomId, seq: oldest.messages[0].seq });
    assert.ok((await listed(senders[3], roomId)).unread >= 900);
  });
}
