// CreateRoom, GetRoom and RenameRoom.

import assert from "node:assert/strict";
import { test } from "node:test";

import { cast, makeDirect, makeGroup, person } from "../../lib/cast.js";
import { until } from "../../lib/wait.js";

const ROOM_ID = /^[gdc]_[A-Za-z0-9_-]{22}$/;
const MOMENT = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

export function rooms(shared) {
  test("a group has its creator as owner and the others as members", async (t) => {
    const [ann, bob] = await cast(t, shared.cluster, "ann", "bob");
    const stranger = person("never-seen");
    const request = { kind: "group", memberIds: [bob.user, stranger, ann.user, bob.user], name: "  Lunch 점심  " };
    const { room } = await ann.call("CreateRoom", request);
    assert.match(room.roomId, ROOM_ID);
    assert.match(room.createdAt, MOMENT);
    const { members, createdAt, roomId, ...facts } = room;
    assert.deepEqual(facts, {
      kind: "group",
      name: "Lunch 점심",
      createdBy: ann.user,
      archived: false,
      headSeq: 0,
      memberCount: 3,
    });
    const roles = Object.fromEntries(members.map(({ userId, role }) => [userId, role]));
    assert.deepEqual(roles, { [ann.user]: "owner", [bob.user]: "member", [stranger]: "member" });
    for (const member of members) {
      assert.deepEqual([member.readSeq, member.deliveredSeq, member.displayName.length > 0], [0, 0, true]);
    }
    for (const client of [ann, bob]) {
      const added = await client.notice("RoomAdded", (notice) => notice.room.roomId === roomId);
      assert.deepEqual(added.room, room);
      assert.deepEqual(await client.call("GetRoom", { roomId }), { room });
    }
    assert.deepEqual(createdAt, (await bob.call("GetRoom", { roomId })).room.createdAt);
  });

  test("a group of one user is a group", async (t) => {
    const [ann] = await cast(t, shared.cluster, "ann");
    const { room } = await ann.call("CreateRoom", { kind: "group", memberIds: [] });
    assert.deepEqual([room.memberCount, "name" in room, "caseId" in room], [1, false, false]);
    const other = await ann.call("CreateRoom", { kind: "group", memberIds: [] });
    assert.notEqual(other.room.roomId, room.roomId);
  });

  test("names come from tokens, or are ids for users never seen", async (t) => {
    const [ann, bob] = await cast(t, shared.cluster, "ann", "bob");
    const kim = await shared.cluster.connect(person("kim"), { name: "\u202e김\u200b민수" });
    t.after(() => kim.stop());
    const stranger = person("stranger");
    // A name is recorded concurrently with the connection's start, not before it.
    const names = await until(async () => {
      const { room } = await ann.call("CreateRoom", { kind: "group", memberIds: [bob.user, kim.user, stranger] });
      const named = Object.fromEntries(room.members.map(({ userId, displayName }) => [userId, displayName]));
      return named[kim.user] !== kim.user && named;
    }, "the name of someone who connected");
    assert.equal(names[kim.user], "김민수");
    // A mark that no name can have: nobody is taken for somebody who was never here.
    assert.equal(names[stranger], `@${stranger}`);
  });

  test("a pair has one direct room, whoever creates it, even concurrently", async (t) => {
    const [ann, bob] = await cast(t, shared.cluster, "ann", "bob");
    const asks = [];
    for (let round = 0; round < 5; round += 1) {
      asks.push(ann.call("CreateRoom", { kind: "direct", memberIds: [bob.user] }));
      asks.push(bob.call("CreateRoom", { kind: "direct", memberIds: [ann.user, bob.user] }));
    }
    const found = await Promise.all(asks);
    assert.equal(new Set(found.map(({ room }) => room.roomId)).size, 1);
    const { room } = found[0];
    assert.deepEqual([room.kind, room.memberCount], ["direct", 2]);
    assert.deepEqual(room.members.map(({ userId }) => userId).sort(), [ann.user, bob.user].sort());
  });

  test("a direct room needs exactly one other user", async (t) => {
    const [ann] = await cast(t, shared.cluster, "ann");
    for (const memberIds of [[], [ann.user], ["bob", "cid"]]) {
      assert.equal((await ann.refusal("CreateRoom", { kind: "direct", memberIds })).code, "invalidArgument");
    }
    const withCase = { kind: "direct", memberIds: ["bob"], caseId: "case" };
    assert.equal((await ann.refusal("CreateRoom", withCase)).code, "invalidArgument");
  });

  test("a case has one room, and non-members learn nothing about it", async (t) => {
    const [ann, bob, cid] = await cast(t, shared.cluster, "ann", "bob", "cid");
    const caseId = person("case/№");
    const request = { kind: "group", memberIds: [bob.user], caseId };
    const [{ room }, again] = await Promise.all([ann.call("CreateRoom", request), ann.call("CreateRoom", request)]);
    assert.equal(room.caseId, caseId);
    assert.equal(again.room.roomId, room.roomId);
    // A member gets the room as it is, not as requested.
    const found = await bob.call("CreateRoom", { kind: "group", memberIds: [cid.user], caseId, name: "Another" });
    assert.deepEqual(found.room, (await ann.call("GetRoom", { roomId: room.roomId })).room);
    const refused = await cid.refusal("CreateRoom", { kind: "group", memberIds: [], caseId });
    assert.equal(refused.code, "conflict");
    assert.ok(!refused.message.includes(room.roomId) && !refused.message.includes(ann.user), refused.message);
  });

  test("the same case, pair and ids in another organization are separate", async (t) => {
    const [ann] = await cast(t, shared.cluster, "ann");
    const twin = await shared.cluster.connect(ann.user, { org: "other" });
    t.after(() => twin.stop());
    const caseId = person("case");
    const bob = person("bob");
    for (const request of [
      { kind: "group", memberIds: [bob], caseId },
      { kind: "direct", memberIds: [bob] },
    ]) {
      const [mine, theirs] = [await ann.call("CreateRoom", request), await twin.call("CreateRoom", request)];
      assert.notEqual(mine.room.roomId, theirs.room.roomId);
      assert.equal((await twin.refusal("GetRoom", { roomId: mine.room.roomId })).code, "notFound");
    }
    assert.ok(twin.notices.every(({ room }) => room === undefined || room.createdBy === twin.user));
    assert.equal((await twin.call("ListRooms", {})).rooms.length, 2);
  });

  test("a rename reaches everyone, in the room's order; the same name changes nothing", async (t) => {
    const [ann, bob] = await cast(t, shared.cluster, "ann", "bob");
    const roomId = await makeGroup(ann, [bob], { name: "Old" });
    const { room } = await bob.call("RenameRoom", { roomId, name: " New " });
    assert.equal(room.name, "New");
    const heard = [await ann.event(roomId, "RoomUpdated"), await bob.event(roomId, "RoomUpdated")];
    for (const event of heard) {
      assert.deepEqual([event.change, event.prev, event.seq, event.room.name], ["renamed", 0, room.headSeq, "New"]);
    }
    const again = await ann.call("RenameRoom", { roomId, name: "New" });
    assert.equal(again.room.headSeq, room.headSeq);
    assert.equal((await ann.call("RenameRoom", { roomId, name: "n".repeat(120) })).room.name.length, 120);
  });

  test("names have limits", async (t) => {
    const [ann] = await cast(t, shared.cluster, "ann");
    const roomId = await makeGroup(ann);
    const hidden = ["", "  ", "a\u0000b", "a\u202eb", "\u2066a", "a\u061cb", "a\u200bb", "a\u200d", "\ufeffa", "\u200b", "\u3164", "\u2800"];
    for (const [name, code] of [...hidden.map((name) => [name, "invalidArgument"]), ["n".repeat(121), "tooLarge"]]) {
      assert.equal((await ann.refusal("RenameRoom", { roomId, name })).code, code, JSON.stringify(name));
      assert.equal((await ann.refusal("CreateRoom", { kind: "group", memberIds: [], name })).code, code, JSON.stringify(name));
    }
    const { room } = await ann.call("GetRoom", { roomId });
    assert.deepEqual([room.headSeq, "name" in room], [0, false]);
  });

  test("a direct room has no name, and its members neither leave nor are removed", async (t) => {
    const [ann, bob] = await cast(t, shared.cluster, "ann", "bob");
    const roomId = await makeDirect(ann, bob);
    assert.equal((await ann.refusal("RenameRoom", { roomId, name: "Us" })).code, "forbidden");
    assert.equal((await ann.refusal("LeaveRoom", { roomId })).code, "forbidden");
    assert.equal((await ann.refusal("RemoveMember", { roomId, userId: bob.user })).code, "forbidden");
    const { room } = await bob.call("GetRoom", { roomId });
    assert.deepEqual([room.memberCount, room.headSeq], [2, 0]);
  });

  test("a room has at most 1 000 members; lists and events of large rooms give only their number", async (t) => {
    const [ann, bob] = await cast(t, shared.cluster, "ann", "bob");
    const crowd = Array.from({ length: 998 }, (_, number) => `c${number}-${ann.user}`);
    const memberIds = [bob.user, ...crowd];
    const tooMany = { kind: "group", memberIds: [...memberIds, "x"] };
    assert.equal((await ann.refusal("CreateRoom", tooMany)).code, "tooLarge");
    const { room } = await ann.call("CreateRoom", { kind: "group", memberIds });
    assert.deepEqual([room.memberCount, room.members.length], [1000, 1000]);
    const { roomId } = room;
    const added = await bob.notice("RoomAdded", (notice) => notice.room.roomId === roomId);
    assert.deepEqual([added.room.memberCount, "members" in added.room], [1000, false]);
    const { rooms } = await bob.call("ListRooms", {});
    assert.deepEqual([rooms[0].room.memberCount, "members" in rooms[0].room], [1000, false]);
    assert.equal((await bob.call("GetRoom", { roomId })).room.members.length, 1000);
    assert.equal((await ann.refusal("AddMembers", { roomId, userIds: ["one-more"] })).code, "tooLarge");
    await ann.call("AddMembers", { roomId, userIds: [bob.user] });
    assert.equal((await ann.call("GetRoom", { roomId })).room.memberCount, 1000);
  });
}
