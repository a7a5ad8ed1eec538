// ArchiveRoom, UnarchiveRoom, the archive's list, and the archive index.

import assert from "node:assert/strict";
import { test } from "node:test";

import { cast, makeDirect, makeGroup, person, send } from "../../lib/cast.js";
import { until } from "../../lib/wait.js";

const ids = (answer) => answer.rooms.map(({ room }) => room.roomId);

/** A user in an organization of its own. */
async function hermit(t, cluster, name) {
  const org = person("org");
  const client = await cluster.connect(person(name), { org });
  t.after(() => client.stop());
  return { client, org };
}

export function archive(shared) {
  test("an archived room is read-only and leaves the list; its history and marks stay", async (t) => {
    const [ann, bob] = await cast(t, shared.cluster, "ann", "bob");
    const roomId = await makeGroup(ann, [bob]);
    const sent = await send(ann, roomId);
    assert.equal((await bob.refusal("ArchiveRoom", { roomId })).code, "forbidden");
    const { room } = await ann.call("ArchiveRoom", { roomId });
    assert.equal(room.archived, true);
    const event = await bob.event(roomId, "RoomUpdated");
    assert.deepEqual([event.change, event.room.archived, event.prev], ["archived", true, sent.seq]);
    for (const client of [ann, bob]) {
      assert.deepEqual(ids(await client.call("ListRooms", {})), []);
      assert.deepEqual(ids(await client.call("ListRooms", { archived: true })), [roomId]);
    }
    for (const [method, request] of [
      ["SendMessage", { roomId, clientId: "late", body: "too late" }],
      ["EditMessage", { roomId, seq: sent.seq, body: "too late" }],
      ["DeleteMessage", { roomId, seq: sent.seq }],
      ["React", { roomId, seq: sent.seq, emoji: "👍", on: true }],
      ["React", { roomId, seq: sent.seq, emoji: "👍", on: false }],
      ["RenameRoom", { roomId, name: "Too late" }],
      ["AddMembers", { roomId, userIds: [person("late")] }],
      ["RemoveMember", { roomId, userId: bob.user }],
    ]) {
      assert.equal((await ann.refusal(method, request)).code, "archived", method);
    }
    // A retry of an earlier message is still a duplicate.
    assert.equal((await ann.call("SendMessage", { roomId, clientId: sent.clientId, body: "again" })).seq, sent.seq);
    assert.deepEqual((await bob.call("GetHistory", { roomId })).messages.map(({ seq }) => seq), [sent.seq]);
    assert.equal((await bob.call("ListRooms", { archived: true })).rooms[0].unread, 1);
    await bob.call("MarkRead", { roomId, seq: sent.seq });
    assert.equal((await bob.call("ListRooms", { archived: true })).rooms[0].unread, 0);
    // Archiving and unarchiving are idempotent.
    assert.equal((await ann.call("ArchiveRoom", { roomId })).room.headSeq, room.headSeq);
    assert.equal((await bob.refusal("UnarchiveRoom", { roomId })).code, "forbidden");
    assert.equal((await ann.call("UnarchiveRoom", { roomId })).room.archived, false);
    assert.equal((await ann.call("UnarchiveRoom", { roomId })).room.archived, false);
    await bob.event(roomId, "RoomUpdated", ({ change }) => change === "unarchived");
    assert.deepEqual(ids(await bob.call("ListRooms", {})), [roomId]);
    assert.deepEqual(ids(await bob.call("ListRooms", { archived: true })), []);
    await send(bob, roomId, "open again");
  });

  test("only its creator archives a direct room", async (t) => {
    const [ann, bob] = await cast(t, shared.cluster, "ann", "bob");
    const roomId = await makeDirect(ann, bob);
    assert.equal((await bob.refusal("ArchiveRoom", { roomId })).code, "forbidden");
    assert.equal((await ann.call("ArchiveRoom", { roomId })).room.archived, true);
    const { room } = await bob.call("CreateRoom", { kind: "direct", memberIds: [ann.user] });
    assert.deepEqual([room.roomId, room.archived], [roomId, true]);
  });

  test("a user who leaves an archived room no longer finds it", async (t) => {
    const [ann, bob] = await cast(t, shared.cluster, "ann", "bob");
    const roomId = await makeGroup(ann, [bob]);
    await ann.call("ArchiveRoom", { roomId });
    await ann.call("LeaveRoom", { roomId });
    assert.deepEqual(ids(await ann.call("ListRooms", { archived: true })), []);
    assert.deepEqual(ids(await bob.call("ListRooms", { archived: true })), [roomId]);
    // The room still has an owner.
    await bob.call("UnarchiveRoom", { roomId });
  });

  test("the archive lists the user's rooms, newest archived first, filtered by case and title, in pages", async (t) => {
    const [ann, eve] = await cast(t, shared.cluster, "ann", "eve");
    const names = ["Budget 2025", "회의록", "budget draft", "Plan"];
    const rooms = [];
    for (const [number, name] of names.entries()) {
      const caseId = number === 3 ? person("Case") : undefined;
      const { room } = await ann.call("CreateRoom", { kind: "group", memberIds: [], name, caseId });
      rooms.push({ roomId: room.roomId, caseId });
    }
    const foreign = await makeGroup(eve, [], { name: "Budget of eve" });
    await eve.call("ArchiveRoom", { roomId: foreign });
    for (const index of [2, 0, 3, 1]) await ann.call("ArchiveRoom", { roomId: rooms[index].roomId });
    const order = [1, 3, 0, 2].map((index) => rooms[index].roomId);
    const find = async (query, more = {}) => ids(await ann.call("ListRooms", { archived: true, query, ...more }));
    assert.deepEqual(await find(undefined), order);
    assert.deepEqual(await find("BUDGET"), [rooms[0].roomId, rooms[2].roomId]);
    assert.deepEqual(await find("회의".normalize("NFD")), [rooms[1].roomId]);
    assert.deepEqual(await find(rooms[3].caseId.toLowerCase()), [rooms[3].roomId]);
    assert.deepEqual(await find(rooms[3].caseId.slice(0, 8)), [rooms[3].roomId]);
    assert.deepEqual(await find("nothing like it"), []);
    assert.deepEqual(ids(await ann.call("ListRooms", { query: "budget" })), []);
    const pages = [];
    let cursor;
    do {
      const page = await ann.call("ListRooms", { archived: true, limit: 3, cursor });
      pages.push(ids(page));
      cursor = page.cursor;
    } while (cursor);
    assert.deepEqual([pages.map(({ length }) => length), pages.flat()], [[3, 1], order]);
    // Open rooms are filtered the same way.
    await ann.call("UnarchiveRoom", { roomId: rooms[2].roomId });
    assert.deepEqual(ids(await ann.call("ListRooms", { query: "Draft" })), [rooms[2].roomId]);
    assert.deepEqual(await find("draft"), []);
  });

  test("the archive index has an entry for each archived room, and none for an open one", async (t) => {
    const { client: ann, org } = await hermit(t, shared.cluster, "ann");
    const caseId = person("case");
    const { room } = await ann.call("CreateRoom", { kind: "group", memberIds: [person("bob")], name: "Closed", caseId });
    const { roomId } = room;
    const [first, , last] = [await send(ann, roomId, "1"), await send(ann, roomId, "2"), await send(ann, roomId, "3")];
    await ann.call("ArchiveRoom", { roomId });
    const entry = await until(async () => (await shared.cluster.dynamo.archive(org))[0], "an entry", 20_000, 200);
    assert.equal(entry.archivedAtRoom, `${entry.archivedAt}#${roomId}`);
    assert.deepEqual(
      [entry.roomId, entry.title, entry.caseId, entry.caseKey, entry.firstSeq, entry.lastSeq, entry.messageCount],
      [roomId, "Closed", caseId, `${org}/${caseId}`, first.seq, last.seq, 3],
    );
    assert.deepEqual(entry.members.sort(), room.members.map(({ userId }) => userId).sort());
    await ann.call("UnarchiveRoom", { roomId });
    await until(async () => (await shared.cluster.dynamo.archive(org)).length === 0, "no entry", 20_000, 200);
    // Of several changes in quick succession, the last one counts.
    for (const method of ["ArchiveRoom", "UnarchiveRoom", "ArchiveRoom", "UnarchiveRoom", "ArchiveRoom"]) await ann.call(method, { roomId });
    const { archivedAt } = await until(async () => {
      const [meta, entries] = [(await shared.cluster.dynamo.room(roomId)).get("META"), await shared.cluster.dynamo.archive(org)];
      const wanted = entries.length === 1 && entries[0].version === meta.version && entries[0];
      return wanted && (await unstoredOf(shared.cluster)) === 0 && wanted;
    }, "the last entry", 60_000, 300);
    assert.ok(archivedAt > entry.archivedAt);
  });
}

async function unstoredOf(cluster) {
  const counts = await Promise.all([0, 1].map((node) => cluster.metric(node, "rts_unstored_messages")));
  return counts[0] + counts[1];
}
