// SendMessage, EditMessage, DeleteMessage, clientIds and the rate limit.

import assert from "node:assert/strict";
import { test } from "node:test";

import { cast, makeDirect, makeGroup, person, send } from "../../lib/cast.js";
import { essence } from "../../lib/ledger.js";
import { until } from "../../lib/wait.js";

export function messages(shared) {
  test("a message reaches everyone as it was sent, including its sender", async (t) => {
    const [ann, bob] = await cast(t, shared.cluster, "ann", "bob");
    const roomId = await makeDirect(ann, bob);
    const body = "안녕 \"Bob\"\n\u{1F44B} <b>&amp;</b> \u2028 \u001e {}␞";
    const ack = await ann.call("SendMessage", { roomId, clientId: "c-1", body, unknown: [1, { a: null }] });
    assert.deepEqual(Object.keys(ack).sort(), ["duplicate", "sentAt", "seq"]);
    assert.equal(ack.duplicate, false);
    const message = {
      roomId,
      seq: ack.seq,
      version: ack.seq,
      clientId: "c-1",
      senderId: ann.user,
      sentAt: ack.sentAt,
      body,
      attachments: [],
      deleted: false,
      reactions: [],
    };
    assert.equal(ack.sentAt, new Date(Math.floor(ack.seq / 1000)).toISOString());
    assert.ok(Math.abs(Date.now() - ack.seq / 1000) < 60_000, "a seq tells the time");
    for (const client of [ann, bob]) {
      const event = await client.event(roomId, "MessageCreated");
      assert.deepEqual(event, { type: "MessageCreated", roomId, seq: ack.seq, prev: 0, message });
      assert.deepEqual(await client.call("GetHistory", { roomId }), { messages: [message], hasMore: false });
    }
  });

  test("concurrent calls take effect in the order in which they were made", async (t) => {
    const [ann, bob] = await cast(t, shared.cluster, "ann", "bob");
    const [one, other] = [await makeDirect(ann, bob), await makeGroup(ann, [bob])];
    const say = (roomId, number) => ann.call("SendMessage", { roomId, clientId: `c-${number}`, body: `${number}` });
    // Runs of messages to one room, which are sent together, and changes of room, which wait for each other.
    const rooms = Array.from({ length: 30 }, (_, number) => (number % 10 < 8 ? one : other));
    const sent = rooms.map(say);
    const history = ann.call("GetHistory", { roomId: one });
    const marked = ann.call("MarkRead", { roomId: one, seq: Number.MAX_SAFE_INTEGER });
    const seqs = (await Promise.all(sent)).map(({ seq }) => seq);
    assert.deepEqual(seqs, seqs.toSorted((a, b) => a - b));
    const ofOne = seqs.filter((_, number) => rooms[number] === one);
    assert.deepEqual((await history).messages.map(({ seq }) => seq), ofOne);
    assert.equal((await marked).readSeq, ofOne.at(-1));
    for (const client of [ann, bob]) {
      await until(() => client.events(one).length === ofOne.length, "all arrived");
      assert.deepEqual(client.events(one).map(({ seq }) => seq), ofOne);
    }
  });

  test("a reply names the message that it answers", async (t) => {
    const [ann, bob] = await cast(t, shared.cluster, "ann", "bob");
    const roomId = await makeDirect(ann, bob);
    const question = await send(ann, roomId, "lunch?");
    const answer = await send(bob, roomId, "yes", { replyTo: question.seq });
    const event = await ann.event(roomId, "MessageCreated", ({ seq }) => seq === answer.seq);
    assert.equal(event.message.replyTo, question.seq);
    for (const replyTo of [question.seq + 1, 1]) {
      assert.equal((await bob.refusal("SendMessage", { roomId, clientId: "x", body: "?", replyTo })).code, "notFound");
    }
  });

  test("bodies and clientIds have limits", async (t) => {
    const [ann, bob] = await cast(t, shared.cluster, "ann", "bob");
    const roomId = await makeDirect(ann, bob);
    const request = { roomId, clientId: "c", body: "x" };
    for (const [changes, code] of [
      [{ body: "" }, "invalidArgument"],
      [{ body: undefined }, "invalidArgument"],
      [{ body: null }, "invalidArgument"],
      [{ body: "x".repeat(16 * 1024 + 1) }, "tooLarge"],
      [{ body: "한".repeat(5462) }, "tooLarge"],
      [{ clientId: "" }, "invalidArgument"],
      [{ clientId: "c".repeat(65) }, "invalidArgument"],
      [{ clientId: "a\nb" }, "invalidArgument"],
    ]) {
      const refused = await ann.refusal("SendMessage", { ...request, ...changes });
      assert.equal(refused.code, code, JSON.stringify(changes).slice(0, 60));
    }
    const largest = await send(ann, roomId, "x".repeat(16 * 1024), { clientId: "ü".repeat(64) });
    const wide = await send(ann, roomId, `${"한".repeat(5461)}x`);
    assert.deepEqual((await bob.call("GetHistory", { roomId })).messages.map(({ seq }) => seq), [largest.seq, wide.seq]);
    assert.equal((await bob.call("GetHistory", { roomId })).messages[1].body, wide.body);
  });

  test("a clientId makes one message, and its first body stays", async (t) => {
    const [ann, bob] = await cast(t, shared.cluster, "ann", "bob");
    const roomId = await makeDirect(ann, bob);
    const first = await send(ann, roomId, "first", { clientId: "c" });
    const again = await ann.call("SendMessage", { roomId, clientId: "c", body: "second" });
    assert.deepEqual(again, { seq: first.seq, sentAt: first.sentAt, duplicate: true });
    // A clientId is scoped to the sender and the room.
    assert.equal((await send(bob, roomId, "mine", { clientId: "c" })).duplicate, false);
    const other = await makeGroup(ann);
    assert.equal((await send(ann, other, "there", { clientId: "c" })).duplicate, false);
    const { messages: all } = await bob.call("GetHistory", { roomId });
    assert.deepEqual(all.map(({ body }) => body), ["first", "mine"]);
    await ann.call("DeleteMessage", { roomId, seq: first.seq });
    assert.equal((await ann.call("SendMessage", { roomId, clientId: "c", body: "third" })).duplicate, true);
  });

  test("the same clientId on two nodes at the same time makes one message", async (t) => {
    const ann = person("ann");
    const devices = [];
    t.after(() => Promise.all(devices.map((device) => device.stop())));
    for (const node of [0, 1, 0, 1]) devices.push(await shared.cluster.connect(ann, { node, version: node ? 5 : 10 }));
    const roomId = await makeGroup(devices[0]);
    for (let round = 0; round < 10; round += 1) {
      const request = { roomId, clientId: `round-${round}`, body: `round ${round}` };
      const acks = await Promise.all(devices.map((device) => device.call("SendMessage", request)));
      assert.equal(new Set(acks.map(({ seq }) => seq)).size, 1);
      assert.equal(acks.filter(({ duplicate }) => !duplicate).length, 1);
    }
    const { messages: all } = await devices[0].call("GetHistory", { roomId });
    assert.deepEqual(all.map(({ clientId }) => clientId), Array.from({ length: 10 }, (_, round) => `round-${round}`));
    for (const device of devices) {
      await until(() => device.events(roomId).length >= 10, "all ten were heard");
      assert.deepEqual(device.events(roomId).map(({ seq }) => seq), all.map(({ seq }) => seq));
    }
  });

  test("an edit changes only the body and the version", async (t) => {
    const [ann, bob] = await cast(t, shared.cluster, "ann", "bob");
    const roomId = await makeDirect(ann, bob);
    const sent = await send(ann, roomId, "teh");
    const { message } = await ann.call("EditMessage", { roomId, seq: sent.seq, body: "the" });
    assert.deepEqual([message.seq, message.body, message.sentAt, message.clientId], [sent.seq, "the", sent.sentAt, sent.clientId]);
    assert.ok(message.version > sent.seq && message.editedAt >= sent.sentAt);
    for (const client of [ann, bob]) {
      const event = await client.event(roomId, "MessageEdited");
      assert.deepEqual(event, { type: "MessageEdited", roomId, seq: message.version, prev: sent.seq, message });
      assert.deepEqual((await client.call("GetHistory", { roomId })).messages, [message]);
    }
  });

  test("users edit only their own messages, and no deleted ones", async (t) => {
    const [ann, bob] = await cast(t, shared.cluster, "ann", "bob");
    const roomId = await makeGroup(ann, [bob]);
    const sent = await send(bob, roomId, "mine");
    const request = { roomId, seq: sent.seq, body: "yours" };
    assert.equal((await ann.refusal("EditMessage", request)).code, "forbidden");
    assert.equal((await bob.refusal("EditMessage", { ...request, body: "" })).code, "invalidArgument");
    assert.equal((await bob.refusal("EditMessage", { ...request, body: "x".repeat(16 * 1024 + 1) })).code, "tooLarge");
    assert.equal((await bob.refusal("EditMessage", { ...request, seq: sent.seq + 1 })).code, "notFound");
    assert.equal((await bob.refusal("EditMessage", { ...request, seq: 0 })).code, "notFound");
    await bob.call("DeleteMessage", { roomId, seq: sent.seq });
    assert.equal((await bob.refusal("EditMessage", request)).code, "conflict");
    assert.equal(bob.events(roomId).filter(({ type }) => type === "MessageEdited").length, 0);
  });

  test("a delete leaves a tombstone; a second one succeeds without an event", async (t) => {
    const [ann, bob] = await cast(t, shared.cluster, "ann", "bob");
    const roomId = await makeDirect(ann, bob);
    const sent = await send(ann, roomId, "secret");
    const { message } = await ann.call("DeleteMessage", { roomId, seq: sent.seq });
    assert.deepEqual([message.deleted, message.body, message.attachments, message.reactions], [true, "", [], []]);
    const again = await ann.call("DeleteMessage", { roomId, seq: sent.seq });
    assert.deepEqual(again.message, message);
    const after = await send(ann, roomId, "after");
    for (const client of [ann, bob]) {
      await client.event(roomId, "MessageCreated", ({ seq }) => seq === after.seq);
      assert.deepEqual(client.events(roomId).map(({ type }) => type), ["MessageCreated", "MessageDeleted", "MessageCreated"]);
      assert.deepEqual(client.events(roomId)[1].message, message);
      assert.deepEqual((await client.call("GetHistory", { roomId })).messages[0], message);
    }
  });

  test("owners delete any message, members only their own", async (t) => {
    const [ann, bob, cid] = await cast(t, shared.cluster, "ann", "bob", "cid");
    const roomId = await makeGroup(ann, [bob, cid]);
    const [ofAnn, ofBob] = [await send(ann, roomId), await send(bob, roomId)];
    assert.equal((await cid.refusal("DeleteMessage", { roomId, seq: ofBob.seq })).code, "forbidden");
    assert.equal((await bob.refusal("DeleteMessage", { roomId, seq: ofAnn.seq })).code, "forbidden");
    assert.equal((await bob.refusal("DeleteMessage", { roomId, seq: ofAnn.seq + 1 })).code, "notFound");
    assert.equal((await ann.call("DeleteMessage", { roomId, seq: ofBob.seq })).message.deleted, true);
    const direct = await makeDirect(bob, ann);
    const said = await send(ann, direct);
    const { room } = await bob.call("GetRoom", { roomId: direct });
    const owns = room.members.find(({ userId }) => userId === bob.user).role === "owner";
    const call = { roomId: direct, seq: said.seq };
    if (owns) assert.equal((await bob.call("DeleteMessage", call)).message.deleted, true);
    else assert.equal((await bob.refusal("DeleteMessage", call)).code, "forbidden");
  });

  test("concurrent changes never overwrite each other", async (t) => {
    const ann = person("ann");
    const devices = [await shared.cluster.connect(ann, { node: 0 }), await shared.cluster.connect(ann, { node: 1 })];
    t.after(() => Promise.all(devices.map((device) => device.stop())));
    const roomId = await makeGroup(devices[0]);
    const { seq } = await send(devices[0], roomId, "0");
    const edits = devices.flatMap((device, index) => Array.from({ length: 5 }, (_, number) => [device, `${index}-${number}`]));
    const answers = await Promise.all(edits.map(([device, body]) => device.call("EditMessage", { roomId, seq, body })));
    const versions = answers.map(({ message }) => message.version);
    assert.equal(new Set(versions).size, edits.length);
    const last = answers.find(({ message }) => message.version === Math.max(...versions)).message;
    assert.deepEqual((await devices[0].call("GetHistory", { roomId })).messages, [last]);
    const stored = async () => (await shared.cluster.dynamo.messages(roomId, [seq])).map(essence);
    await until(async () => (await stored())[0]?.version === last.version, "the last version is stored", 20_000, 200);
    assert.deepEqual(await stored(), [essence(last)]);
  });
}
