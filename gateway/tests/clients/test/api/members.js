// AddMembers, RemoveMember and LeaveRoom.

import assert from "node:assert/strict";
import { test } from "node:test";

import { cast, makeDirect, makeGroup, person, send } from "../../lib/cast.js";
import { until } from "../../lib/wait.js";

const roleOf = (room, user) => room.members.find(({ userId }) => userId === user)?.role;

export function members(shared) {
  test("members add users, who see older history and start with nothing unread", async (t) => {
    const [ann, bob, cid] = await cast(t, shared.cluster, "ann", "bob", "cid");
    const roomId = await makeGroup(ann, [bob]);
    const early = await send(ann, roomId, "before cid");
    const { room } = await bob.call("AddMembers", { roomId, userIds: [cid.user, ann.user, cid.user] });
    assert.deepEqual([room.memberCount, roleOf(room, cid.user)], [3, "member"]);
    const update = await ann.event(roomId, "RoomUpdated");
    assert.deepEqual([update.change, update.prev, update.seq], ["membersAdded", early.seq, room.headSeq]);
    const added = await cid.notice("RoomAdded", (notice) => notice.room.roomId === roomId);
    assert.equal(added.room.memberCount, 3);
    const { rooms } = await cid.call("ListRooms", {});
    assert.equal(rooms[0].unread, 0);
    const { messages } = await cid.call("GetHistory", { roomId });
    assert.deepEqual(messages.map(({ seq }) => seq), [early.seq]);
    const next = await send(ann, roomId, "after cid");
    await cid.event(roomId, "MessageCreated", ({ seq }) => seq === next.seq);
    assert.equal((await cid.call("ListRooms", {})).rooms[0].unread, 1);
    // Adding only existing members changes nothing.
    const again = await ann.call("AddMembers", { roomId, userIds: [cid.user] });
    assert.equal(again.room.headSeq, next.seq);
  });

  test("adding to a direct room creates a new group and leaves the direct room unchanged", async (t) => {
    const [ann, bob, cid] = await cast(t, shared.cluster, "ann", "bob", "cid");
    const direct = await makeDirect(ann, bob);
    await send(ann, direct, "between us");
    const { room } = await bob.call("AddMembers", { roomId: direct, userIds: [cid.user] });
    assert.deepEqual([room.kind, room.memberCount, roleOf(room, bob.user)], ["group", 3, "owner"]);
    assert.notEqual(room.roomId, direct);
    await ann.notice("RoomAdded", (notice) => notice.room.roomId === room.roomId);
    assert.deepEqual((await cid.call("GetHistory", { roomId: room.roomId })).messages, []);
    assert.equal((await cid.refusal("GetRoom", { roomId: direct })).code, "notFound");
    assert.equal((await ann.call("GetRoom", { roomId: direct })).room.memberCount, 2);
  });

  test("owners remove members, who then lose access to the room", async (t) => {
    const [ann, bob, cid] = await cast(t, shared.cluster, "ann", "bob", "cid");
    const roomId = await makeGroup(ann, [bob, cid]);
    await send(cid, roomId, "hello");
    assert.equal((await bob.refusal("RemoveMember", { roomId, userId: cid.user })).code, "forbidden");
    assert.equal((await bob.refusal("RemoveMember", { roomId, userId: person("nobody") })).code, "forbidden");
    assert.equal((await ann.refusal("RemoveMember", { roomId, userId: person("nobody") })).code, "notFound");
    assert.equal((await ann.refusal("RemoveMember", { roomId, userId: "" })).code, "notFound");
    assert.equal((await ann.refusal("RemoveMember", { roomId, userId: ann.user })).code, "invalidArgument");
    const { room } = await ann.call("RemoveMember", { roomId, userId: cid.user });
    assert.deepEqual([room.memberCount, roleOf(room, cid.user)], [2, undefined]);
    const update = await bob.event(roomId, "RoomUpdated");
    assert.deepEqual([update.change, update.seq], ["memberRemoved", room.headSeq]);
    await cid.notice("RoomRemoved", (notice) => notice.roomId === roomId);
    const later = await send(ann, roomId, "cid is gone");
    await bob.event(roomId, "MessageCreated", ({ seq }) => seq === later.seq);
    for (const [method, request] of [
      ["GetRoom", { roomId }],
      ["GetHistory", { roomId }],
      ["SendMessage", { roomId, clientId: "x", body: "still here?" }],
      ["MarkRead", { roomId, seq: later.seq }],
      ["RenameRoom", { roomId, name: "Mine" }],
      ["AddMembers", { roomId, userIds: [cid.user] }],
      ["LeaveRoom", { roomId }],
    ]) {
      assert.equal((await cid.refusal(method, request)).code, "notFound", method);
    }
    assert.deepEqual((await cid.call("ListRooms", {})).rooms, []);
    assert.ok(cid.events(roomId).every(({ seq }) => seq < later.seq));
    assert.equal((await ann.refusal("RemoveMember", { roomId, userId: cid.user })).code, "notFound");
  });

  test("a member who was added again starts with nothing unread", async (t) => {
    const [ann, bob] = await cast(t, shared.cluster, "ann", "bob");
    const roomId = await makeGroup(ann, [bob]);
    await send(ann, roomId, "one");
    await ann.call("RemoveMember", { roomId, userId: bob.user });
    await bob.notice("RoomRemoved", (notice) => notice.roomId === roomId);
    await send(ann, roomId, "two");
    await ann.call("AddMembers", { roomId, userIds: [bob.user] });
    await until(() => bob.notices.filter(({ type, room }) => type === "RoomAdded" && room.roomId === roomId).length === 2, "bob is back");
    assert.equal((await bob.call("ListRooms", {})).rooms[0].unread, 0);
    assert.equal((await bob.call("GetHistory", { roomId })).messages.length, 2);
    const three = await send(ann, roomId, "three");
    await bob.event(roomId, "MessageCreated", ({ seq }) => seq === three.seq);
    assert.equal((await bob.call("ListRooms", {})).rooms[0].unread, 1);
  });

  test("members leave; the last owner is succeeded by the longest-standing member", async (t) => {
    const [ann, bob, cid] = await cast(t, shared.cluster, "ann", "bob", "cid");
    const roomId = await makeGroup(ann, [bob]);
    await bob.call("AddMembers", { roomId, userIds: [cid.user] });
    assert.deepEqual(await ann.call("LeaveRoom", { roomId }), {});
    await ann.notice("RoomRemoved", (notice) => notice.roomId === roomId);
    assert.equal((await ann.refusal("GetRoom", { roomId })).code, "notFound");
    const change = await bob.event(roomId, "RoomUpdated", (event) => event.change === "roleChanged");
    assert.equal(roleOf(change.room, bob.user), "owner");
    const { room } = await cid.call("GetRoom", { roomId });
    assert.deepEqual([room.memberCount, roleOf(room, bob.user), roleOf(room, cid.user)], [2, "owner", "member"]);
    assert.deepEqual(await bob.call("LeaveRoom", { roomId }), {});
    assert.deepEqual(await cid.call("LeaveRoom", { roomId }), {});
    assert.equal((await cid.refusal("GetRoom", { roomId })).code, "notFound");
    assert.equal((await cid.refusal("LeaveRoom", { roomId })).code, "notFound");
  });

  test("events for one user reach all of that user's devices", async (t) => {
    const [ann, bob] = await cast(t, shared.cluster, "ann", "bob");
    const tablet = await shared.cluster.connect(bob.user, { version: 10 });
    t.after(() => tablet.stop());
    const roomId = await makeGroup(ann, [bob]);
    await tablet.notice("RoomAdded", (notice) => notice.room.roomId === roomId);
    const sent = await send(bob, roomId, "from my phone");
    for (const device of [bob, tablet, ann]) {
      const event = await device.event(roomId, "MessageCreated");
      assert.deepEqual([event.seq, event.message.clientId], [sent.seq, sent.clientId]);
    }
    for (const device of [bob, tablet]) {
      await device.notice("MessagesStored", (notice) => notice.roomId === roomId && notice.seqs.includes(sent.seq), 20_000);
    }
    await bob.call("LeaveRoom", { roomId });
    for (const device of [bob, tablet]) await device.notice("RoomRemoved", (notice) => notice.roomId === roomId);
  });

  test("changes of rooms and members are stored", async (t) => {
    const [ann, bob, cid] = await cast(t, shared.cluster, "ann", "bob", "cid");
    const roomId = await makeGroup(ann, [bob], { name: "First" });
    await ann.call("AddMembers", { roomId, userIds: [cid.user] });
    await cid.call("RenameRoom", { roomId, name: "Second" });
    await ann.call("RemoveMember", { roomId, userId: bob.user });
    const sent = await send(ann, roomId);
    await cid.call("MarkRead", { roomId, seq: sent.seq });
    const what = () => `items of ${roomId} are in their last version`;
    const items = await until(async () => {
      const found = await shared.cluster.dynamo.room(roomId);
      const [meta, member] = [found.get("META"), found.get(`MEMBER#${cid.user}`)];
      return meta?.name === "Second" && member?.readSeq === sent.seq && !found.get(`MEMBER#${bob.user}`)?.role && found;
    }, what, 20_000, 200);
    assert.equal(items.get(`MEMBER#${ann.user}`).role, "owner");
    assert.equal(items.get(`MEMBER#${cid.user}`).role, "member");
    assert.equal(items.get("META").org, "acme");
  });
}
