// SetTyping: its receivers, its rate, and its errors.

import assert from "node:assert/strict";
import { test } from "node:test";

import { cast, makeGroup, send } from "../../lib/cast.js";
import { pause, until } from "../../lib/wait.js";

const heard = (client, roomId) =>
  client.notices.filter((notice) => notice.type === "Typing" && notice.roomId === roomId).map(({ userId, typing }) => [userId, typing]);

export function typing(shared) {
  test("typing reaches the other members, not the user's own devices, and has no seq", async (t) => {
    const [ann, bob, cid, eve] = await cast(t, shared.cluster, "ann", "bob", "cid", "eve");
    const annToo = await shared.cluster.connect(ann.user, { version: 5 });
    t.after(() => annToo.stop());
    const roomId = await makeGroup(ann, [bob, cid]);
    await until(() => annToo.notices.some(({ type, room }) => type === "RoomAdded" && room.roomId === roomId), "her other device");
    assert.deepEqual(await ann.call("SetTyping", { roomId, typing: true }), {});
    assert.deepEqual(await ann.call("SetTyping", { roomId, typing: false }), {});
    for (const client of [bob, cid]) {
      await until(() => heard(client, roomId).length >= 2, `typing for ${client.user}`);
      assert.deepEqual(heard(client, roomId), [[ann.user, true], [ann.user, false]]);
      const [notice] = client.notices.filter(({ type }) => type === "Typing");
      assert.deepEqual(Object.keys(notice).sort(), ["roomId", "type", "typing", "userId"]);
    }
    // Later events arrive after it.
    const { seq } = await send(ann, roomId);
    for (const client of [annToo, bob]) await client.event(roomId, "MessageCreated", (event) => event.seq === seq);
    for (const client of [ann, annToo, eve]) assert.deepEqual(heard(client, roomId), []);
    const { room } = await ann.call("GetRoom", { roomId });
    assert.equal(room.headSeq, seq);
  });

  test("typing is sent about once a second, its end immediately", async (t) => {
    const [ann, bob] = await cast(t, shared.cluster, "ann", "bob");
    const roomId = await makeGroup(ann, [bob]);
    const begun = Date.now();
    for (let turn = 0; turn < 25; turn += 1) {
      await ann.call("SetTyping", { roomId, typing: true });
      await pause(50);
    }
    await ann.call("SetTyping", { roomId, typing: false });
    await ann.call("SetTyping", { roomId, typing: false });
    const seconds = (Date.now() - begun) / 1000;
    await until(() => heard(bob, roomId).some(([, typing]) => !typing), "its end");
    const told = heard(bob, roomId);
    assert.ok(told.length >= 3 && told.length <= 2 + Math.ceil(seconds), `${told.length} in ${seconds} s`);
    assert.deepEqual(told.filter(([, typing]) => !typing).length, 1);
  });

  test("typing that continues after a message is announced at once", async (t) => {
    const [ann, bob] = await cast(t, shared.cluster, "ann", "bob");
    const annToo = await shared.cluster.connect(ann.user, { node: 0 });
    t.after(() => annToo.stop());
    const roomId = await makeGroup(ann, [bob]);
    // Repeated, so that at least two rounds fall into the same second.
    for (let turn = 1; turn <= 5; turn += 1) {
      await annToo.call("SetTyping", { roomId, typing: true });
      await send(annToo, roomId, `${turn}`);
      await until(() => heard(bob, roomId).length === turn, `typing before message ${turn}`);
    }
    assert.deepEqual(heard(bob, roomId), Array(5).fill([ann.user, true]));
  });

  test("only members type, and nobody types in an archived room", async (t) => {
    const [ann, bob, eve] = await cast(t, shared.cluster, "ann", "bob", "eve");
    const roomId = await makeGroup(ann, [bob]);
    const unknown = "g_AAAAAAAAAAAAAAAAAAAAAA";
    for (const typing of [true, true, false]) {
      const refused = await eve.refusal("SetTyping", { roomId, typing });
      assert.equal(refused.code, "notFound");
      assert.equal(refused.message, (await eve.refusal("SetTyping", { roomId: unknown, typing })).message);
    }
    assert.equal((await ann.refusal("SetTyping", { roomId: "x", typing: true })).code, "notFound");
    for (const request of [{ roomId }, { roomId, typing: "yes" }, { typing: true }]) {
      assert.equal((await ann.refusal("SetTyping", request)).code, "invalidArgument");
    }
    await ann.call("RemoveMember", { roomId, userId: bob.user });
    assert.equal((await bob.refusal("SetTyping", { roomId, typing: true })).code, "notFound");
    assert.deepEqual(heard(ann, roomId), []);
    await ann.call("ArchiveRoom", { roomId });
    assert.equal((await ann.refusal("SetTyping", { roomId, typing: true })).code, "archived");
  });
}
