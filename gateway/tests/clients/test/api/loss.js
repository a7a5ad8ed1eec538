// After Redis lost everything: what was stored is rebuilt, including counts and permissions.

import assert from "node:assert/strict";
import { test } from "node:test";

import { cast, makeGroup, send } from "../../lib/cast.js";
import { until } from "../../lib/wait.js";

export function loss(shared) {
  test("counts, mentions, reactions, owners and the archive survive", { timeout: 120_000 }, async (t) => {
    const { cluster } = shared;
    const [ann, bob, cid] = await cast(t, cluster, "ann", "bob", "cid");
    const roomId = await makeGroup(ann, [bob, cid], { name: "Open" });
    const closed = await makeGroup(ann, [bob], { name: "Closed" });
    const first = await send(ann, roomId, `@${bob.user} 1`);
    const second = await send(ann, roomId, `@${bob.user} 2`);
    await send(cid, roomId, `@${bob.user} and @${ann.user} 3`);
    const gone = await send(ann, roomId, `@${bob.user} 4`);
    const last = await send(ann, roomId, "5");
    await ann.call("DeleteMessage", { roomId, seq: gone.seq });
    await bob.call("MarkRead", { roomId, seq: first.seq });
    await cid.call("React", { roomId, seq: second.seq, emoji: "👍", on: true });
    await send(bob, closed, "in the archive");
    await ann.call("ArchiveRoom", { roomId: closed });
    await ann.call("LeaveRoom", { roomId });
    const listed = async (client) => {
      const [open] = (await client.call("ListRooms", {})).rooms;
      const archived = (await client.call("ListRooms", { archived: true, query: "clos" })).rooms;
      const { room } = await client.call("GetRoom", { roomId });
      const owners = room.members.filter(({ role }) => role === "owner").map(({ userId }) => userId);
      return { unread: open.unread, mentions: open.mentions, readSeq: open.readSeq, owners, archived: archived.map((each) => each.room.roomId) };
    };
    const before = await listed(bob);
    const heir = [bob.user, cid.user].sort()[0];
    assert.deepEqual(before, { unread: 3, mentions: 2, readSeq: first.seq, owners: [heir], archived: [closed] });
    await until(async () => {
      const [open, other] = [await cluster.dynamo.room(roomId), await cluster.dynamo.room(closed)];
      const messages = await cluster.dynamo.messages(roomId, [first.seq]);
      const stored = (seq) => messages.find((item) => item.seq === seq);
      return (
        other.get("META")?.archivedAt && other.get(`MEMBER#${bob.user}`) && (await cluster.dynamo.messages(closed)).length === 1 &&
        open.get(`MEMBER#${heir}`)?.role === "owner" && !open.get(`MEMBER#${ann.user}`)?.role &&
        open.get(`MEMBER#${bob.user}`)?.readSeq === first.seq && stored(last.seq) && stored(gone.seq)?.deleted &&
        stored(second.seq)?.reactions.length === 1
      );
    }, "all of it is stored", 40_000, 300);
    await cluster.redis("FLUSHALL");

    const again = await cluster.connect(bob.user);
    t.after(() => again.stop());
    assert.deepEqual(await listed(again), before);
    assert.deepEqual(await listed(again), before);
    // Messages of a cold room can be changed like any other.
    await again.call("React", { roomId, seq: second.seq, emoji: "👍", on: true });
    const { messages } = await again.call("GetHistory", { roomId });
    const reactions = messages.find(({ seq }) => seq === second.seq).reactions;
    assert.deepEqual(reactions, [{ emoji: "👍", userIds: [cid.user, bob.user] }]);
    const third = await cluster.connect(cid.user);
    t.after(() => third.stop());
    await send(third, roomId, `@${bob.user} 6`, { replyTo: first.seq });
    const { unread, mentions } = await listed(again);
    assert.deepEqual([unread, mentions], [4, 3]);
    assert.equal((await again.refusal("SendMessage", { roomId: closed, clientId: "late", body: "x" })).code, "archived");
    const owner = await cluster.connect(ann.user);
    t.after(() => owner.stop());
    await owner.call("UnarchiveRoom", { roomId: closed });
    await again.event(closed, "RoomUpdated", ({ change }) => change === "unarchived");
    await send(again, closed, "open again");
  });
}
