// Streams from the server: `StreamHistory`, its cancellation and its limits; and stream calls of other methods.

import assert from "node:assert/strict";

import { makeGroup, person, send } from "../../lib/cast.js";
import { pause, until } from "../../lib/wait.js";
import { Socket, polled, streamed, eventsOf } from "../../lib/wire/hub.js";
import { RS, packed, parseText } from "../../lib/wire/records.js";
import { section, world } from "../../lib/wire/section.js";

const MESSAGES = 30;

const streamCall = (target, argument, invocationId) =>
  `${JSON.stringify({ target, arguments: [argument], invocationId, type: 4 })}${RS}`;

/** A room with messages, and their sender. */
async function written(t, count = MESSAGES) {
  const client = await world.cluster.connect(person("writer"), { node: 1 });
  t.after(() => client.stop());
  const roomId = await makeGroup(client);
  const sent = [];
  for (let number = 0; number < count; number += 1) sent.push(await send(client, roomId, `message ${number}`));
  return { user: client.user, roomId, sent, client };
}

/** Items and completion of a stream. */
async function whole(socket, id) {
  const completion = await socket.completion(id);
  const items = socket.records.filter((record) => record.type === 2 && record.invocationId === id).map(({ item }) => item);
  return { items, completion };
}

section("streams", (test) => {
  test("StreamHistory returns every message of a room, ascending, one per item, and ends with a completion", async (t) => {
    const { user, roomId, sent } = await written(t);
    const socket = await Socket.joined({ node: 0, user });
    socket.send(streamCall("StreamHistory", { roomId }, "s"));
    const { items, completion } = await whole(socket, "s");
    assert.deepEqual(items.map(({ seq, body }) => [seq, body]), sent.map(({ seq, body }) => [seq, body]));
    assert.deepEqual(completion, { type: 3, invocationId: "s" });
    socket.leave();
  });

  test("from and to are inclusive seqs, and 0 is the start", async (t) => {
    const { user, roomId, sent } = await written(t, 6);
    const socket = await Socket.joined({ node: 0, user });
    const ranges = [[0, sent[2].seq, 0, 3], [sent[2].seq, sent[4].seq, 2, 5], [sent[4].seq, undefined, 4, 6], [sent[5].seq + 1, undefined, 6, 6]];
    for (const [index, [from, to, first, last]] of ranges.entries()) {
      socket.send(streamCall("StreamHistory", { roomId, from, to }, `s${index}`));
      const { items } = await whole(socket, `s${index}`);
      assert.deepEqual(items.map(({ seq }) => seq), sent.slice(first, last).map(({ seq }) => seq), `range ${index}`);
    }
    socket.leave();
  });

  test("MessagePack: items have type 2, the end is a void completion", async (t) => {
    const { user, roomId, sent } = await written(t, 3);
    const socket = await Socket.joined({ node: 0, user, protocol: "messagepack" });
    socket.send(packed(4, {}, "s", "StreamHistory", [{ roomId }]));
    assert.deepEqual(await socket.completion("s"), [3, {}, "s", 2]);
    const items = socket.records.filter(([type]) => type === 2);
    assert.deepEqual(items.map(([, , id, { seq }]) => [id, seq]), sent.map(({ seq }) => ["s", seq]));
    socket.leave();
  });

  test("event streams and long polls behave the same", async (t) => {
    const { user, roomId, sent } = await written(t, 5);
    const { requests, stream } = await streamed(user, [0, 1]);
    await requests.post(1, streamCall("StreamHistory", { roomId }, "s"));
    const events = () => eventsOf(stream.text).flat();
    await until(() => events().some(({ type }) => type === 3), "the completion");
    assert.equal(events().filter(({ type }) => type === 2).length, sent.length);
    stream.abort();
    const polls = await polled(user, [0, 1, 0]);
    await polls.post(0, streamCall("StreamHistory", { roomId }, "s"));
    const records = [];
    while (!records.some(({ type }) => type === 3)) records.push(...parseText((await polls.poll(1)).text));
    assert.deepEqual(records.filter(({ type }) => type === 2).map(({ item }) => item.seq), sent.map(({ seq }) => seq));
    await polls.delete(0);
  });

  test("a cancel ends the stream with a completion, and nothing follows", async (t) => {
    const { user, roomId } = await written(t);
    const socket = await Socket.joined({ node: 0, user });
    socket.send(streamCall("StreamHistory", { roomId }, "s") + `{"invocationId":"s","type":5}${RS}`);
    socket.send(`{"invocationId":"s","type":5}${RS}`);
    assert.deepEqual(await socket.completion("s"), { type: 3, invocationId: "s" });
    await socket.lives();
    await pause(300);
    const ofStream = socket.records.filter(({ invocationId }) => invocationId === "s");
    assert.deepEqual([ofStream.filter(({ type }) => type === 3).length, ofStream.at(-1).type], [1, 3]);
    socket.leave();
  });

  test("calls are answered while a stream runs", async (t) => {
    const { user, roomId } = await written(t);
    const socket = await Socket.joined({ node: 0, user });
    socket.send(streamCall("StreamHistory", { roomId }, "s"));
    await socket.lives();
    await socket.completion("s");
    socket.leave();
  });

  test("a stream of an inaccessible or unknown room is notFound; an invalid request is invalidArgument", async (t) => {
    const { roomId } = await written(t, 1);
    const socket = await Socket.joined({ node: 0, user: person("stranger") });
    for (const [id, request, code] of [["0", { roomId }, "notFound"], ["1", { roomId: "none" }, "notFound"], ["2", { roomId: 7 }, "invalidArgument"]]) {
      socket.send(streamCall("StreamHistory", request, id));
      assert.match((await socket.completion(id)).error, new RegExp(`^An unexpected error occurred invoking 'StreamHistory' on the server\\. HubException: ${code}: `));
    }
    await socket.lives();
    socket.leave();
  });

  test("gotcha: streams of one connection are limited: an excess one is rejected, and the connection survives", async (t) => {
    const { user, roomId } = await written(t, 3);
    const polls = await polled(user);
    // Nobody polls meanwhile, so none of them can end.
    const ids = Array.from({ length: 200 }, (_, index) => `${index}`);
    await polls.post(0, ids.map((id) => streamCall("StreamHistory", { roomId }, id)).join(""));
    const completions = new Map();
    while (completions.size < ids.length) {
      for (const record of parseText((await polls.poll(0)).text)) if (record.type === 3) completions.set(record.invocationId, record);
    }
    for (const { error } of completions.values()) if (error) assert.match(error, /StreamHistory/);
    await polls.post(0, streamCall("StreamHistory", { roomId }, "after"));
    const records = [];
    while (!records.some(({ type }) => type === 3)) records.push(...parseText((await polls.poll(0)).text));
    assert.equal(records.at(-1).error, undefined);
    await polls.delete(0);
  });
});

section("calls of the wrong kind", (test) => {
  for (const [what, target, type, expected] of [
    ["a method without a stream, called as a stream", "ListRooms", 4, /non-streaming 'ListRooms' method/],
    ["an unknown method, called as a stream", "Nothing", 4, /Failed to invoke 'Nothing'.*Method does not exist\./],
    ["a streaming method, called without a stream", "StreamHistory", 1, /StreamHistory/],
  ]) {
    test(`${what}, is answered with an error, and the connection survives`, async () => {
      const socket = await Socket.joined({ node: 0, user: person("ann") });
      socket.send(`{"type":${type},"target":"${target}","arguments":[{"roomId":"x"}],"invocationId":"1"}${RS}`);
      assert.match((await socket.completion("1")).error, expected);
      await socket.lives();
      socket.leave();
    });
  }

  test("streams from the client are ignored", async () => {
    const socket = await Socket.joined({ node: 0, user: person("ann") });
    socket.send(`{"type":1,"target":"ListRooms","arguments":[{}],"streamIds":["0"],"invocationId":"1"}${RS}`);
    assert.deepEqual((await socket.completion("1")).result, { rooms: [] });
    for (let item = 0; item < 50; item += 1) socket.send(`{"type":2,"invocationId":"0","item":${item}}${RS}`);
    socket.send(`{"type":3,"invocationId":"0"}${RS}`);
    await socket.lives();
    socket.leave();
  });
});
