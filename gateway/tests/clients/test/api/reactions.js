// React.

import assert from "node:assert/strict";
import { test } from "node:test";

import { cast, makeGroup, send } from "../../lib/cast.js";
import { until } from "../../lib/wait.js";

export function reactions(shared) {
  test("a reaction is set and removed; everyone is notified, and history and resume show the current state", async (t) => {
    const [ann, bob] = await cast(t, shared.cluster, "ann", "bob");
    const roomId = await makeGroup(ann, [bob]);
    const { seq } = await send(ann, roomId);
    assert.deepEqual(await bob.call("React", { roomId, seq, emoji: "👍", on: true }), {});
    for (const client of [ann, bob]) {
      const { type, ...event } = await client.event(roomId, "ReactionChanged");
      assert.deepEqual(event, { roomId, seq: event.seq, prev: seq, messageSeq: seq, emoji: "👍", userId: bob.user, on: true });
    }
    await ann.call("React", { roomId, seq, emoji: "👍", on: true });
    await ann.call("React", { roomId, seq, emoji: "👩🏿‍❤️‍💋‍👩🏿", on: true });
    const head = () => ann.events(roomId).at(-1);
    await until(() => head().userId === ann.user && head().emoji !== "👍", "ann's reactions");
    const [message] = (await bob.call("GetHistory", { roomId })).messages;
    assert.deepEqual(message.reactions, [{ emoji: "👍", userIds: [bob.user, ann.user] }, { emoji: "👩🏿‍❤️‍💋‍👩🏿", userIds: [ann.user] }]);
    assert.deepEqual([message.seq, message.version, message.body], [seq, head().seq, "hello"]);
    await bob.call("React", { roomId, seq, emoji: "👍", on: false });
    const resumed = await bob.call("Resume", { rooms: [{ roomId, seq: 0 }] });
    const [created, ...changes] = resumed.rooms[0].events.filter(({ type }) => type !== "RoomUpdated");
    assert.deepEqual(created.message.reactions, [{ emoji: "👍", userIds: [ann.user] }, { emoji: "👩🏿‍❤️‍💋‍👩🏿", userIds: [ann.user] }]);
    assert.deepEqual(changes.map(({ type, messageSeq, userId, on }) => [type, messageSeq, userId, on]), [
      ["ReactionChanged", seq, bob.user, true],
      ["ReactionChanged", seq, ann.user, true],
      ["ReactionChanged", seq, ann.user, true],
      ["ReactionChanged", seq, bob.user, false],
    ]);
    // Reactions neither move the room in the list nor count as unread.
    const { rooms } = await bob.call("ListRooms", {});
    assert.deepEqual([rooms[0].unread, rooms[0].lastMessage.seq], [1, seq]);
  });

  test("setting a reaction twice, or removing one that is not set, changes nothing", async (t) => {
    const [ann, bob] = await cast(t, shared.cluster, "ann", "bob");
    const roomId = await makeGroup(ann, [bob]);
    const { seq } = await send(ann, roomId);
    assert.deepEqual(await bob.call("React", { roomId, seq, emoji: "🎉", on: false }), {});
    await bob.call("React", { roomId, seq, emoji: "🎉", on: true });
    assert.deepEqual(await bob.call("React", { roomId, seq, emoji: "🎉", on: true }), {});
    const next = await send(ann, roomId, "next");
    await bob.event(roomId, "MessageCreated", (event) => event.seq === next.seq);
    assert.equal(bob.events(roomId).filter(({ type }) => type === "ReactionChanged").length, 1);
  });

  test("concurrent reactions are all kept", async (t) => {
    const clients = await cast(t, shared.cluster, "ann", "bob", "cid", "dan", "eve", "fay");
    const roomId = await makeGroup(clients[0], clients.slice(1));
    const { seq } = await send(clients[0], roomId);
    const emoji = ["👍", "🎉", "❤️"];
    await Promise.all(clients.flatMap((client) => emoji.map((each) => client.call("React", { roomId, seq, emoji: each, on: true }))));
    const [message] = (await clients[3].call("GetHistory", { roomId })).messages;
    const found = message.reactions.flatMap((reaction) => reaction.userIds.map((user) => `${reaction.emoji} ${user}`)).sort();
    assert.deepEqual(found, clients.flatMap(({ user }) => emoji.map((each) => `${each} ${user}`)).sort());
    // They are stored as well.
    await until(async () => {
      const stored = (await shared.cluster.dynamo.messages(roomId, [seq]))[0];
      return stored?.version === message.version && stored.reactions.length === 3;
    }, "the reactions are stored", 20_000, 200);
  });

  test("reactions of non-members, to anything but a message, to a deleted one, or without an emoji are rejected", async (t) => {
    const [ann, bob, eve] = await cast(t, shared.cluster, "ann", "bob", "eve");
    const roomId = await makeGroup(ann, [bob]);
    const sent = await send(ann, roomId);
    const react = (client, more) => client.refusal("React", { roomId, seq: sent.seq, emoji: "👍", on: true, ...more });
    for (const emoji of ["", " ", "a", "ok", "👍👍", "👍 ", "\u0000", "\u200b", "가", `👩${"\u200d👩".repeat(20)}`]) {
      assert.equal((await react(bob, { emoji })).code, "invalidArgument", JSON.stringify(emoji));
    }
    assert.equal((await react(eve)).code, "notFound");
    assert.equal((await react(bob, { seq: sent.seq + 1 })).code, "notFound");
    // The seq of an event other than a message.
    const { message } = await ann.call("EditMessage", { roomId, seq: sent.seq, body: "edited" });
    assert.equal((await react(bob, { seq: message.version })).code, "notFound");
    assert.equal((await ann.refusal("EditMessage", { roomId, seq: message.version, body: "x" })).code, "notFound");
    const { room } = await bob.call("RenameRoom", { roomId, name: "Renamed" });
    assert.equal((await react(bob, { seq: room.headSeq })).code, "notFound");
    await bob.call("React", { roomId, seq: sent.seq, emoji: "👍", on: true });
    const { message: tombstone } = await ann.call("DeleteMessage", { roomId, seq: sent.seq });
    assert.deepEqual(tombstone.reactions, []);
    for (const on of [true, false]) assert.equal((await react(bob, { on })).code, "conflict");
  });

  test("variants of an emoji count as one", async (t) => {
    const [ann, bob] = await cast(t, shared.cluster, "ann", "bob");
    const roomId = await makeGroup(ann, [bob]);
    const { seq } = await send(ann, roomId);
    const found = async () => (await bob.call("GetHistory", { roomId })).messages[0].reactions;
    for (const [client, emoji] of [[ann, "\u{1f44d}"], [bob, "\u{1f44d}\ufe0f"], [ann, "\u2764"], [bob, "\u2764\ufe0f"]]) {
      await client.call("React", { roomId, seq, emoji, on: true });
    }
    const userIds = [ann.user, bob.user];
    assert.deepEqual(await found(), [{ emoji: "\u{1f44d}", userIds }, { emoji: "\u2764\ufe0f", userIds }]);
    for (const client of [ann, bob]) await client.call("React", { roomId, seq, emoji: "\u{1f44d}\ufe0f", on: false });
    assert.deepEqual((await found()).map(({ emoji }) => emoji), ["\u2764\ufe0f"]);
  });

  test("a message has at most twenty different emoji", async (t) => {
    const [ann] = await cast(t, shared.cluster, "ann");
    const roomId = await makeGroup(ann);
    const { seq } = await send(ann, roomId);
    for (let number = 0; number < 20; number += 1) {
      await ann.call("React", { roomId, seq, emoji: String.fromCodePoint(0x1f600 + number), on: true });
    }
    assert.equal((await ann.refusal("React", { roomId, seq, emoji: "👍", on: true })).code, "tooLarge");
    await ann.call("React", { roomId, seq, emoji: "😀", on: false });
    await ann.call("React", { roomId, seq, emoji: "👍", on: true });
  });
}
