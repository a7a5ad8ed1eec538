// SearchMessages: its results and their order, and the messages that it never returns.

import assert from "node:assert/strict";
import { test } from "node:test";

import { cast, makeDirect, makeGroup, person, send } from "../../lib/cast.js";

/** Collects all pages of a search; a page with a cursor may be empty. */
async function all(client, request) {
  const found = [];
  let cursor;
  do {
    const page = await client.call("SearchMessages", { ...request, cursor });
    found.push(...page.messages);
    cursor = page.cursor;
  } while (cursor !== undefined);
  return found;
}

const bodies = async (client, request) => (await all(client, request)).map(({ body }) => body);

export function search(shared) {
  test("messages of all rooms are found, newest first, in any case, script and normalization form", async (t) => {
    const [ann, bob] = await cast(t, shared.cluster, "ann", "bob");
    const group = await makeGroup(ann, [bob], { name: "Lunch" });
    const direct = await makeDirect(ann, bob);
    const said = [];
    for (const [client, roomId, body] of [
      [ann, group, "Lunch at noon?"],
      [bob, direct, "LUNCH? yes, 점심 좋아요"],
      [ann, group, "내일점심먹자"],
      [bob, group, "caf\u0065\u0301 lunch"],
      [ann, direct, "nothing of the kind"],
    ]) {
      said.push(await send(client, roomId, body));
    }
    const lunch = await all(bob, { query: "lunch" });
    assert.deepEqual(lunch.map(({ seq }) => seq), [said[3].seq, said[1].seq, said[0].seq]);
    // They equal those of history.
    const { messages: history } = await bob.call("GetHistory", { roomId: group });
    assert.deepEqual(lunch[0], history.find(({ seq }) => seq === said[3].seq));
    assert.deepEqual(await bodies(ann, { query: "점심" }), ["내일점심먹자", "LUNCH? yes, 점심 좋아요"]);
    assert.deepEqual(await bodies(ann, { query: "\u110c\u1165\u11b7심" }), ["내일점심먹자", "LUNCH? yes, 점심 좋아요"]);
    assert.deepEqual(await bodies(ann, { query: "CAF\u00c9" }), ["caf\u0065\u0301 lunch"]);
    assert.deepEqual(await bodies(ann, { query: "  noon LUNCH " }), ["Lunch at noon?"]);
    assert.deepEqual(await bodies(ann, { query: "lunch 좋아" }), ["LUNCH? yes, 점심 좋아요"]);
    assert.deepEqual(await bodies(ann, { query: "lunch", roomId: direct }), ["LUNCH? yes, 점심 좋아요"]);
    assert.deepEqual(await bodies(ann, { query: "lunch%", roomId: null, limit: null, cursor: null }), []);
    assert.deepEqual(await ann.call("SearchMessages", { query: "dinner" }), { messages: [] });
  });

  test("only messages of the user's rooms are found", async (t) => {
    const [ann, bob, eve] = await cast(t, shared.cluster, "ann", "bob", "eve");
    const org = person("org");
    const twin = await shared.cluster.connect(ann.user, { org });
    t.after(() => twin.stop());
    const roomId = await makeGroup(ann, [bob]);
    const { room: foreign } = await twin.call("CreateRoom", { kind: "group", memberIds: [bob.user] });
    await send(ann, roomId, "the secret of ours");
    await send(twin, foreign.roomId, "the secret of theirs");
    assert.deepEqual(await bodies(bob, { query: "secret" }), ["the secret of ours"]);
    assert.deepEqual(await bodies(twin, { query: "secret" }), ["the secret of theirs"]);
    assert.deepEqual(await bodies(eve, { query: "secret" }), []);
    for (const [client, room] of [[eve, roomId], [twin, roomId], [ann, foreign.roomId], [ann, `g_${"A".repeat(22)}`], [ann, "x"]]) {
      assert.equal((await client.refusal("SearchMessages", { query: "secret", roomId: room })).code, "notFound");
    }
    await bob.call("LeaveRoom", { roomId });
    assert.deepEqual(await bodies(bob, { query: "secret" }), []);
    assert.equal((await bob.refusal("SearchMessages", { query: "secret", roomId })).code, "notFound");
  });

  test("edited messages are found by their new text, deleted ones not at all", async (t) => {
    const [ann] = await cast(t, shared.cluster, "ann");
    const roomId = await makeGroup(ann);
    const [one, two] = [await send(ann, roomId, "apples"), await send(ann, roomId, "more apples")];
    const { message } = await ann.call("EditMessage", { roomId, seq: one.seq, body: "pears" });
    assert.deepEqual(await all(ann, { query: "pears" }), [message]);
    assert.deepEqual(await bodies(ann, { query: "apples" }), ["more apples"]);
    await ann.call("DeleteMessage", { roomId, seq: two.seq });
    assert.deepEqual(await bodies(ann, { query: "apples" }), []);
  });

  test("pages cover the whole result, and a cursor is valid for its query and its caller only", async (t) => {
    const [ann, bob] = await cast(t, shared.cluster, "ann", "bob");
    const rooms = [await makeGroup(ann, [bob]), await makeGroup(ann, [bob]), await makeDirect(ann, bob)];
    const wanted = [];
    for (let number = 0; number < 40; number += 1) {
      const sent = await send(number % 2 ? ann : bob, rooms[number % 3], number % 4 === 0 ? `needle ${number}` : "hay");
      if (number % 4 === 0) wanted.unshift(sent.seq);
    }
    for (const limit of [1, 3, 10, 100_000]) {
      const found = await all(ann, { query: "needle", limit });
      assert.deepEqual(found.map(({ seq }) => seq), wanted, `pages of ${limit}`);
      if (limit === 1) await new Promise((resolve) => setTimeout(resolve, 2_500));
    }
    const { messages, cursor } = await ann.call("SearchMessages", { query: "needle", limit: 3 });
    assert.equal(messages.length, 3);
    const other = cursor.at(-3) === "A" ? "B" : "A";
    const tampered = `${cursor.slice(0, -3)}${other}${cursor.slice(-2)}`;
    for (const [client, request] of [
      [bob, { query: "needle", cursor }],
      [ann, { query: "hay", cursor }],
      [ann, { query: "needle", roomId: rooms[0], cursor }],
      [ann, { query: "needle", cursor: tampered }],
      [ann, { query: "needle", cursor: `${cursor}A` }],
    ]) {
      assert.equal((await client.refusal("SearchMessages", request)).code, "invalidArgument", JSON.stringify(request));
    }
    // The same words make the same query.
    assert.equal((await ann.call("SearchMessages", { query: " NEEDLE", cursor, limit: 3 })).messages[0].seq, wanted[3]);
  });

  test("messages older than the room's stream are found in DynamoDB", { timeout: 180_000 }, async (t) => {
    const clients = await cast(t, shared.cluster, ...Array.from({ length: 30 }, (_, number) => `s${number}`));
    const roomId = await makeGroup(clients[0], clients.slice(1));
    const first = await send(clients[0], roomId, "the very first needle");
    await Promise.all(clients.map(async (client) => {
      for (let number = 0; number < 40; number += 1) await send(client, roomId, "hay");
    }));
    const last = await send(clients[1], roomId, "the last Needle");
    for (const request of [{ query: "needle" }, { query: "needle", roomId }]) {
      assert.deepEqual((await all(clients[2], request)).map(({ seq }) => seq), [last.seq, first.seq]);
    }
  });
}
