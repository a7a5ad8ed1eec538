// Mentions: in messages, and in their own count.

import assert from "node:assert/strict";
import { test } from "node:test";

import { cast, makeGroup, person, send } from "../../lib/cast.js";
import { until } from "../../lib/wait.js";

async function counts(client, roomId) {
  const { rooms } = await client.call("ListRooms", {});
  const { unread, mentions } = rooms.find(({ room }) => room.roomId === roomId);
  return [unread, mentions];
}

export function mentions(shared) {
  test("members are mentioned by their ids, and mentions are counted separately", async (t) => {
    const [ann, bob, cid] = await cast(t, shared.cluster, "ann", "bob", "cid");
    const roomId = await makeGroup(ann, [bob, cid]);
    await send(ann, roomId, "nobody is meant, not even mail@example.com");
    const { seq } = await send(ann, roomId, `@${bob.user}, @${cid.user}님 @${ann.user} and @${person("stranger")}: @${bob.user}!`);
    const { message } = await bob.event(roomId, "MessageCreated", (event) => event.seq === seq);
    assert.deepEqual(message.mentions, [bob.user, cid.user, ann.user]);
    const { messages } = await cid.call("GetHistory", { roomId });
    assert.deepEqual(messages.map((each) => each.mentions), [undefined, message.mentions]);
    // The sender's own message does not count for the sender.
    assert.deepEqual(await Promise.all([ann, bob, cid].map((client) => counts(client, roomId))), [[0, 0], [2, 1], [2, 1]]);
    await bob.call("MarkRead", { roomId, seq });
    assert.deepEqual(await counts(bob, roomId), [0, 0]);
    await until(async () => {
      const stored = (await shared.cluster.dynamo.messages(roomId, [seq])).find((item) => item.seq === seq);
      return stored?.mentions?.length === 3;
    }, "the mentions are stored", 20_000, 200);
  });

  test("edits and deletes keep the count exact", async (t) => {
    const [ann, bob, cid] = await cast(t, shared.cluster, "ann", "bob", "cid");
    const roomId = await makeGroup(ann, [bob, cid]);
    const one = await send(ann, roomId, "one");
    const two = await send(ann, roomId, `@${bob.user} two`);
    const both = async () => [await counts(bob, roomId), await counts(cid, roomId)];
    assert.deepEqual(await both(), [[2, 1], [2, 0]]);
    const { message } = await ann.call("EditMessage", { roomId, seq: one.seq, body: `@${bob.user} @${cid.user} one` });
    assert.deepEqual(message.mentions, [bob.user, cid.user]);
    assert.deepEqual(await both(), [[2, 2], [2, 1]]);
    await ann.call("EditMessage", { roomId, seq: one.seq, body: `@${cid.user} one` });
    await ann.call("React", { roomId, seq: one.seq, emoji: "👍", on: true });
    assert.deepEqual(await both(), [[2, 1], [2, 1]]);
    const { message: tombstone } = await ann.call("DeleteMessage", { roomId, seq: two.seq });
    assert.equal(tombstone.mentions, undefined);
    await ann.call("DeleteMessage", { roomId, seq: two.seq });
    assert.deepEqual(await both(), [[1, 0], [1, 1]]);
    await cid.call("MarkRead", { roomId, seq: two.seq });
    // A message already read is not counted again.
    await ann.call("EditMessage", { roomId, seq: one.seq, body: `@${bob.user} @${cid.user} one` });
    assert.deepEqual(await both(), [[1, 1], [0, 0]]);
  });

  test("a user who joins, or joins again, starts with no mentions", async (t) => {
    const [ann, bob, cid] = await cast(t, shared.cluster, "ann", "bob", "cid");
    const roomId = await makeGroup(ann, [bob]);
    const before = await send(ann, roomId, `@${cid.user} is not here, @${bob.user} is`);
    assert.deepEqual((await ann.event(roomId, "MessageCreated")).message.mentions, [bob.user]);
    await ann.call("AddMembers", { roomId, userIds: [cid.user] });
    await ann.call("RemoveMember", { roomId, userId: bob.user });
    await ann.call("AddMembers", { roomId, userIds: [bob.user] });
    assert.deepEqual([await counts(bob, roomId), await counts(cid, roomId)], [[0, 0], [0, 0]]);
    await ann.call("EditMessage", { roomId, seq: before.seq, body: `@${cid.user} and @${bob.user}` });
    assert.deepEqual([await counts(bob, roomId), await counts(cid, roomId)], [[0, 0], [0, 0]]);
    await send(ann, roomId, `@${cid.user}`);
    assert.deepEqual([await counts(bob, roomId), await counts(cid, roomId)], [[1, 0], [1, 1]]);
  });

  test("marks of one device reach the others; counts agree after a new connection and a resume", async (t) => {
    const [ann, bob] = await cast(t, shared.cluster, "ann", "bob");
    const tablet = await shared.cluster.connect(bob.user);
    t.after(() => tablet.stop());
    const roomId = await makeGroup(ann, [bob]);
    const first = await send(ann, roomId, `@${bob.user} 1`);
    await send(ann, roomId, `@${bob.user} 2`);
    const third = await send(ann, roomId, "3");
    await bob.call("MarkRead", { roomId, seq: first.seq });
    for (const client of [ann, bob, tablet]) {
      const of = ({ roomId: room, receipts }) =>
        room === roomId && receipts.some(({ userId, readSeq }) => userId === bob.user && readSeq === first.seq);
      await client.notice("ReceiptsUpdated", of);
    }
    assert.deepEqual(await counts(tablet, roomId), [2, 1]);
    // A new device, and one that reconnects.
    await tablet.stop();
    const fourth = await send(ann, roomId, `@${bob.user} 4`);
    await bob.call("MarkRead", { roomId, seq: third.seq });
    await tablet.start();
    const { rooms } = await tablet.call("Resume", { rooms: [{ roomId, seq: third.seq }] });
    assert.deepEqual(rooms[0].events.map(({ seq, message }) => [seq, message.mentions]), [[fourth.seq, [bob.user]]]);
    for (const client of [bob, tablet]) {
      assert.deepEqual(await counts(client, roomId), [1, 1]);
      const { room } = await client.call("GetRoom", { roomId });
      const { readSeq, deliveredSeq } = room.members.find(({ userId }) => userId === bob.user);
      assert.deepEqual([readSeq, deliveredSeq], [third.seq, third.seq]);
    }
  });

  test("a reply refers to a message of the same room", async (t) => {
    const [ann, bob] = await cast(t, shared.cluster, "ann", "bob");
    const [roomId, other] = [await makeGroup(ann, [bob]), await makeGroup(ann, [bob])];
    const asked = await send(ann, roomId, "?");
    const elsewhere = await send(ann, other, "!");
    const answer = await send(bob, roomId, "yes", { replyTo: asked.seq });
    const { message } = await ann.event(roomId, "MessageCreated", ({ seq }) => seq === answer.seq);
    assert.equal(message.replyTo, asked.seq);
    const refused = (replyTo) => bob.refusal("SendMessage", { roomId, clientId: crypto.randomUUID(), body: "?", replyTo });
    const { message: edited } = await ann.call("EditMessage", { roomId, seq: asked.seq, body: "??" });
    for (const replyTo of [elsewhere.seq, asked.seq - 1, edited.version, 0]) {
      assert.equal((await refused(replyTo)).code, "notFound", `${replyTo}`);
    }
    // A deleted message leaves a tombstone, which can be replied to.
    await ann.call("DeleteMessage", { roomId, seq: asked.seq });
    await send(bob, roomId, "still", { replyTo: asked.seq });
  });
}
