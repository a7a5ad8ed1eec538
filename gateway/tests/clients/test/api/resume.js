// Resume: every missed event, or a truncated answer if there are too many.

import assert from "node:assert/strict";
import { test } from "node:test";

import { cast, makeDirect, makeGroup, send } from "../../lib/cast.js";
import { until } from "../../lib/wait.js";

const UNKNOWN = "g_AAAAAAAAAAAAAAAAAAAAAA";

async function resumeOf(client, roomId, seq) {
  const { rooms } = await client.call("Resume", { rooms: [{ roomId, seq }] });
  assert.equal(rooms.length, 1);
  return rooms[0];
}

export function resume(shared) {
  test("missed events come in their order, with messages in their current version", async (t) => {
    const [ann, bob] = await cast(t, shared.cluster, "ann", "bob");
    const roomId = await makeGroup(ann, [bob]);
    const [one, two] = [await send(ann, roomId, "one"), await send(bob, roomId, "two")];
    await ann.call("EditMessage", { roomId, seq: one.seq, body: "one!" });
    await ann.call("RenameRoom", { roomId, name: "Named" });
    const { message: tombstone } = await bob.call("DeleteMessage", { roomId, seq: two.seq });
    await until(() => ann.events(roomId).length === 5, "all five events");
    const heard = ann.events(roomId);

    const whole = await resumeOf(bob, roomId, 0);
    assert.deepEqual([whole.truncated, whole.headSeq], [false, tombstone.version]);
    const place = ({ type, seq, prev }) => [type, seq, prev];
    assert.deepEqual(whole.events.map(place), heard.map(place));
    // At the original position, in the current version: the body of a deleted message appears nowhere.
    assert.deepEqual(whole.events[0].message, heard[2].message);
    assert.deepEqual(whole.events[1].message, tombstone);
    assert.deepEqual(whole.events[2], heard[2]);
    assert.deepEqual(whole.events[3], heard[3]);
    assert.deepEqual(whole.events[4], heard[4]);

    const rest = await resumeOf(bob, roomId, heard[2].seq);
    assert.deepEqual(rest.events, heard.slice(3));
    const none = await resumeOf(bob, roomId, heard[4].seq);
    assert.deepEqual([none.events, none.truncated, none.headSeq], [[], false, heard[4].seq]);
  });

  test("500 missed events come complete, 501 are truncated", { timeout: 120_000 }, async (t) => {
    const clients = await cast(t, shared.cluster, ...Array.from({ length: 14 }, (_, number) => `s${number}`));
    const roomId = await makeGroup(clients[0], clients.slice(1));
    const first = await send(clients[0], roomId, "the first");
    await Promise.all(clients.slice(1).map(async (client, index) => {
      const count = index < 6 ? 39 : 38;
      for (let number = 0; number < count; number += 1) await send(client, roomId, `${number}`);
    }));
    const reader = clients[0];
    await until(() => reader.events(roomId).length === 501, () => `${reader.events(roomId).length} of 501 events`);
    const whole = await resumeOf(reader, roomId, first.seq);
    assert.deepEqual([whole.events.length, whole.truncated], [500, false]);
    assert.deepEqual(whole.events, reader.events(roomId).slice(1));
    const truncated = await resumeOf(reader, roomId, 0);
    assert.deepEqual(truncated, { roomId, events: [], headSeq: whole.headSeq, truncated: true });
  });

  test("a seq beyond the head is truncated, and the answer has the real head", async (t) => {
    const [ann, bob] = await cast(t, shared.cluster, "ann", "bob");
    const roomId = await makeDirect(ann, bob);
    const sent = await send(ann, roomId);
    for (const seq of [sent.seq + 1, Number.MAX_SAFE_INTEGER]) {
      assert.deepEqual(await resumeOf(bob, roomId, seq), { roomId, events: [], headSeq: sent.seq, truncated: true });
    }
  });

  test("new rooms are reported as joined; left, inaccessible, unknown and malformed ones as left", async (t) => {
    const [ann, bob, cid] = await cast(t, shared.cluster, "ann", "bob", "cid");
    const kept = await makeGroup(ann, [bob]);
    const left = await makeGroup(ann, [bob]);
    const foreign = await makeGroup(cid, [ann]);
    const joined = await makeGroup(ann, [bob]);
    await ann.call("RemoveMember", { roomId: left, userId: bob.user });
    await bob.notice("RoomRemoved", ({ roomId }) => roomId === left);
    const asked = [kept, left, foreign, UNKNOWN, "what?", "", kept];
    const answer = await bob.call("Resume", { rooms: asked.map((roomId) => ({ roomId, seq: 0 })) });
    assert.deepEqual(answer.rooms, [{ roomId: kept, events: [], headSeq: 0, truncated: false }]);
    assert.deepEqual(answer.joined, [joined]);
    assert.deepEqual(answer.left, [left, foreign, UNKNOWN, "what?", ""]);
    const empty = await bob.call("Resume", { rooms: [] });
    assert.deepEqual([empty.rooms, empty.left, empty.joined.sort()], [[], [], [kept, joined].sort()]);
  });

  test("a reconnected client continues where it left off", async (t) => {
    const [ann, bob] = await cast(t, shared.cluster, "ann", "bob");
    const roomId = await makeDirect(ann, bob);
    const seen = await send(ann, roomId, "seen");
    await bob.event(roomId, "MessageCreated", ({ seq }) => seq === seen.seq);
    await bob.stop();
    const missed = [await send(ann, roomId, "missed"), await send(ann, roomId, "missed too")];
    await bob.start();
    const { events } = await resumeOf(bob, roomId, seen.seq);
    assert.deepEqual(events.map(({ seq }) => seq), missed.map(({ seq }) => seq));
    assert.equal(events[0].prev, seen.seq);
    const next = await send(ann, roomId, "live again");
    const live = await bob.event(roomId, "MessageCreated", ({ seq }) => seq === next.seq);
    assert.equal(live.prev, missed[1].seq);
  });

  test("a resume names at most 1 000 rooms", async (t) => {
    const [ann] = await cast(t, shared.cluster, "ann");
    const rooms = Array.from({ length: 1001 }, () => ({ roomId: "x", seq: 0 }));
    assert.equal((await ann.refusal("Resume", { rooms })).code, "tooLarge");
    assert.deepEqual((await ann.call("Resume", { rooms: rooms.slice(1) })).left, ["x"]);
  });
}
