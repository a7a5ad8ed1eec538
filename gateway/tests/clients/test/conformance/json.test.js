// JSON records: those accepted, those that end the connection, and those answered with an error.

import assert from "node:assert/strict";

import { makeDirect, makeGroup, person, send } from "../../lib/cast.js";
import { Socket } from "../../lib/wire/hub.js";
import { BAD_INPUT, RS, call } from "../../lib/wire/records.js";
import { section, world } from "../../lib/wire/section.js";

const RECORD_BYTES = 262_144;
const BODY_BYTES = 16_384;

const ENDS_THE_CONNECTION = [
  ["invalid JSON", "{"],
  ["text that is not JSON", "what?"],
  ["an array", '[{"type":6}]'],
  ["a bare separator", ""],
  ["a number", "6"],
  ["bytes after the object", '{"type":6}x'],
  ["no type", '{"target":"ListRooms","arguments":[{}]}'],
  ["a type that is a string", '{"type":"6"}'],
  ["a type that is a float", '{"type":6.0}'],
  ["a null type", '{"type":null}'],
  ["an id that is a number", '{"type":1,"target":"A","arguments":[],"invocationId":1}'],
  ["a null id", '{"type":1,"target":"A","arguments":[],"invocationId":null}'],
  ["no target", '{"type":1,"arguments":[]}'],
  ["a null target", '{"type":1,"target":null,"arguments":[]}'],
  ["no arguments", '{"type":1,"target":"A"}'],
  ["null arguments", '{"type":1,"target":"A","arguments":null}'],
  ["arguments that are an object", '{"type":1,"target":"A","arguments":{}}'],
  ["a header that is not a string", '{"type":1,"target":"A","arguments":[],"headers":{"a":1}}'],
  ["stream ids that are not strings", '{"type":1,"target":"A","arguments":[],"streamIds":[1]}'],
  ["a stream item without an id", '{"type":2,"item":1}'],
  ["a completion without an id", '{"type":3,"result":1}'],
  ["a stream invocation without an id", '{"type":4,"target":"A","arguments":[]}'],
  ["a cancel without an id", '{"type":5}'],
  ["a completion with result and error", '{"type":3,"invocationId":"0","result":1,"error":"e"}'],
];

const ANSWERED = [
  ["an unknown method", "Nothing", "[{}]", "Failed to invoke 'Nothing' due to an error on the server. HubException: notFound: Method does not exist."],
  ["no argument", "ListRooms", "[]", "Failed to invoke 'ListRooms' due to an error on the server. HubException: invalidArgument: A method takes one argument, an object."],
  ["too many arguments", "ListRooms", "[{},{}]", "Failed to invoke 'ListRooms' due to an error on the server. HubException: invalidArgument: A method takes one argument, an object."],
];

const IGNORED = [
  ["a cancel of an unknown id", '{"type":5,"invocationId":"nobody"}'],
  ["an item of an unknown id", '{"type":2,"invocationId":"nobody","item":{}}'],
  ["a completion of an unknown id", '{"type":3,"invocationId":"nobody","result":null}'],
  ["an unknown record type", '{"type":10,"target":7,"arguments":null,"headers":1}'],
  ["type 0", '{"type":0}'],
  ["an Ack without stateful reconnect", '{"type":8,"sequenceId":3}'],
  ["a Sequence without stateful reconnect", '{"type":9,"sequenceId":3}'],
  ["a ping", '{"type":6}'],
];

section("JSON", (test) => {
  for (const [what, record] of ENDS_THE_CONNECTION) {
    test(`ends the connection: ${what}`, async () => {
      const socket = await Socket.joined({ node: 0, user: person("ann") });
      socket.send(record + RS);
      assert.equal(await socket.end(), 1000);
      assert.deepEqual(socket.records, [BAD_INPUT]);
    });
  }

  for (const [what, target, given, error] of ANSWERED) {
    test(`answered with an error, and the connection survives: ${what}`, async () => {
      const socket = await Socket.joined({ node: 0, user: person("ann") });
      socket.send(`{"type":1,"target":"${target}","arguments":${given},"invocationId":"1"}${RS}`);
      assert.deepEqual(await socket.completion("1"), { type: 3, invocationId: "1", error });
      await socket.lives();
      socket.leave();
    });
  }

  for (const [what, given] of [["a string", '"x"'], ["null", "null"], ["an array", "[]"], ["a field of another type", '{"limit":"x"}']]) {
    test(`answered as invalidArgument, like a failed method: ${what} for the request`, async () => {
      const socket = await Socket.joined({ node: 0, user: person("ann") });
      socket.send(`{"type":1,"target":"ListRooms","arguments":[${given}],"invocationId":"1"}${RS}`);
      const { error } = await socket.completion("1");
      assert.match(error, /^An unexpected error occurred invoking 'ListRooms' on the server\. HubException: invalidArgument: \S.*\.$/);
      await socket.lives();
      socket.leave();
    });
  }

  for (const [what, record] of IGNORED) {
    test(`ignored: ${what}`, async () => {
      const socket = await Socket.joined({ node: 0, user: person("ann") });
      socket.send(record + RS);
      await socket.lives();
      assert.equal(socket.records.length, 1);
      socket.leave();
    });
  }

  test("breaks #3: the type may come last, as the JavaScript client writes it, or anywhere", async () => {
    const socket = await Socket.joined({ node: 0, user: person("ann") });
    socket.send(`{"target":"ListRooms","arguments":[{"limit":5}],"invocationId":"0","type":1}${RS}`);
    socket.send(`{"invocationId":"1","type":1,"arguments":[{"type":7}],"target":"ListRooms"}${RS}`);
    for (const id of ["0", "1"]) assert.deepEqual((await socket.completion(id)).result, { rooms: [] });
    socket.leave();
  });

  test("breaks #4: absent fields are omitted, never null", async (t) => {
    const user = person("ann");
    const socket = await Socket.joined({ node: 0, user });
    const client = await world.cluster.connect(user, { node: 1 });
    t.after(() => client.stop());
    const roomId = await makeGroup(client);
    await send(client, roomId);
    await socket.record(({ target }) => target === "MessageCreated", "the event");
    socket.send(call("GetRoom", { roomId }, "room"));
    socket.send(call("ListRooms", {}, "list"));
    socket.send(call("GetHistory", { roomId }, "history"));
    socket.send(call("Nothing", {}, "error"));
    await socket.completion("error");
    socket.send(`{${RS}`);
    await socket.end();
    const text = socket.messages.map(({ data }) => data).join("");
    assert.ok(!text.includes(":null"), text);
    assert.deepEqual(new Set(socket.records.flatMap(Object.keys)),
      new Set(["type", "target", "arguments", "invocationId", "result", "error", "allowReconnect"]));
  });

  test("targets ignore case", async () => {
    const socket = await Socket.joined({ node: 0, user: person("ann") });
    socket.send(call("lISTrOOMS", {}, "1"));
    assert.deepEqual((await socket.completion("1")).result, { rooms: [] });
    socket.leave();
  });

  test("without an id nothing is answered, not even an error; an empty id counts as none", async () => {
    const socket = await Socket.joined({ node: 0, user: person("ann") });
    for (const id of ["", ',"invocationId":""']) {
      for (const target of ["ListRooms", "Nothing"]) socket.send(`{"type":1,"target":"${target}","arguments":[{}]${id}}${RS}`);
      socket.send(`{"type":1,"target":"ListRooms","arguments":[]${id}}${RS}`);
    }
    await socket.lives();
    assert.equal(socket.records.length, 1);
    socket.leave();
  });

  test("an id is any string, and is returned unchanged", async () => {
    const socket = await Socket.joined({ node: 0, user: person("ann") });
    for (const id of ["0", "-1", "방 ␞ \\ \" \n", "x".repeat(200)]) {
      socket.send(call("ListRooms", {}, id));
      assert.equal((await socket.completion(id)).invocationId, id);
    }
    socket.leave();
  });

  test("headers with string values are accepted and ignored", async () => {
    const socket = await Socket.joined({ node: 0, user: person("ann") });
    const headers = '{"Authorization":"Bearer x","Content-Type":"application/json"}';
    socket.send(`{"type":1,"headers":${headers},"target":"ListRooms","arguments":[{}],"invocationId":"1"}${RS}`);
    assert.deepEqual((await socket.completion("1")).result, { rooms: [] });
    socket.leave();
  });

  test("a hundred calls of changing methods are answered in order", async () => {
    const socket = await Socket.joined({ node: 0, user: person("ann") });
    const ids = Array.from({ length: 100 }, (_, index) => String(index));
    socket.send(ids.map((id) => call(Number(id) % 3 ? "LeaveRoom" : "Nothing", { roomId: "none" }, id)).join(""));
    await socket.completion("99");
    assert.deepEqual(socket.records.map(({ invocationId }) => invocationId), ids);
    socket.leave();
  });

  test("changing calls run and are answered in the order received, however long each takes; a read sees them all", async () => {
    const socket = await Socket.joined({ node: 0, user: person("ann") });
    socket.send(call("CreateRoom", { kind: "group", memberIds: [] }, "room"));
    const { room } = (await socket.completion("room")).result;
    const sends = Array.from({ length: 20 }, (_, index) => ({ roomId: room.roomId, clientId: `c${index}`, body: `${index}` }));
    socket.send(sends.map((request, index) => call("SendMessage", request, `s${index}`)).join("") + call("GetHistory", { roomId: room.roomId }, "end"));
    const { messages } = (await socket.completion("end")).result;
    assert.deepEqual(messages.map(({ body }) => body), sends.map(({ body }) => body));
    await socket.completion(`s${sends.length - 1}`);
    const answers = socket.records.filter(({ type, invocationId }) => type === 3 && invocationId !== "end").map(({ invocationId }) => invocationId);
    assert.deepEqual(answers, ["room", ...sends.map((_, index) => `s${index}`)]);
    socket.leave();
  });

  test("concurrent searches and a send are all answered", async () => {
    const socket = await Socket.joined({ node: 0, user: person("ann") });
    socket.send(call("CreateRoom", { kind: "group", memberIds: [] }, "room"));
    const { roomId } = (await socket.completion("room")).result.room;
    const searches = Array.from({ length: 10 }, (_, index) => call("SearchMessages", { query: "nowhere", roomId }, `search${index}`));
    socket.send(searches.join("") + call("SendMessage", { roomId, clientId: "c", body: "x" }, "send"));
    for (const id of ["send", ...searches.map((_, index) => `search${index}`)]) assert.equal((await socket.completion(id)).error, undefined, id);
    socket.leave();
  });

  test("a record may have 256 KiB with its separator, in a frame of any size; a larger call is rejected", async () => {
    const padded = (id, bytes) => {
      const record = `{"type":1,"target":"ListRooms","arguments":[{}],"invocationId":"${id}"}`;
      return record + " ".repeat(bytes - record.length - 1) + RS;
    };
    const socket = await Socket.joined({ node: 0, user: person("ann") });
    socket.send(padded("0", RECORD_BYTES) + padded("1", RECORD_BYTES) + padded("2", RECORD_BYTES));
    await socket.completion("2");
    const larger = padded("3", RECORD_BYTES + 1);
    for (const cut of [larger.length, 5_000]) {
      for (let at = 0; at < larger.length; at += cut) socket.send(larger.slice(at, at + cut));
      const { error } = await socket.completion("3");
      assert.match(error, /^An unexpected error occurred invoking 'ListRooms' on the server\. HubException: tooLarge: /);
    }
    await socket.lives();
    socket.leave();
  });

  test("a larger call is identified by its id even after its arguments, as the JavaScript client writes it", async () => {
    const socket = await Socket.joined({ node: 0, user: person("ann") });
    const body = '"]}\\{['.repeat(RECORD_BYTES / 4);
    socket.send(call("SendMessage", { roomId: "x", clientId: "c", body }, "large") + call("ListRooms", {}, "next"));
    assert.match((await socket.completion("large")).error, /'SendMessage' .* tooLarge: /);
    assert.deepEqual((await socket.completion("next")).result, { rooms: [] });
    socket.leave();
  });

  for (const [what, record] of [
    ["a call without an id", `{"type":1,"target":"ListRooms","arguments":[{"query":"${"x".repeat(RECORD_BYTES)}"}]}`],
    ["a ping", `{"type":6,"more":["${"x".repeat(RECORD_BYTES)}"]}`],
    ["text that is not a record", "x".repeat(RECORD_BYTES + 1)],
    ["a call of 5 MiB", `{"type":1,"target":"ListRooms","arguments":[{"query":"${"x".repeat(5 << 20)}"}],"invocationId":"1"}`],
  ]) {
    test(`over the record limit and ends the connection: ${what}`, async () => {
      const socket = await Socket.joined({ node: 0, user: person("ann") });
      socket.send(record + RS);
      assert.equal(await socket.end(), 1000);
      assert.deepEqual(socket.records, [BAD_INPUT]);
    });
  }

  test("a body of 16 KiB fits in any JSON escaping", async () => {
    const socket = await Socket.joined({ node: 0, user: person("ann") });
    socket.send(call("CreateRoom", { kind: "group", memberIds: [] }, "room"));
    const { roomId } = (await socket.completion("room")).result.room;
    const escaped = (text) => [...text].map((each) => `\\u${each.codePointAt(0).toString(16).padStart(4, "0")}`).join("");
    const bodies = ["x".repeat(BODY_BYTES), "<".repeat(BODY_BYTES), "\u0001".repeat(BODY_BYTES), "한".repeat(Math.floor(BODY_BYTES / 3))];
    for (const [index, body] of bodies.entries()) {
      const request = `{"roomId":"${roomId}","clientId":"c${index}","body":"${escaped(body)}"}`;
      socket.send(`{"type":1,"target":"SendMessage","arguments":[${request}],"invocationId":"${index}"}${RS}`);
      assert.equal((await socket.completion(`${index}`)).error, undefined);
    }
    socket.send(call("GetHistory", { roomId }, "history"));
    assert.deepEqual((await socket.completion("history")).result.messages.map(({ body }) => body), bodies);
    socket.leave();
  });

  test("gotcha: an endless record is not buffered: beyond the limit the connection ends", async () => {
    const socket = await Socket.joined({ node: 0, user: person("ann") });
    for (let sent = 0; sent <= RECORD_BYTES; sent += 1_000) socket.send("x".repeat(1_000));
    assert.equal(await socket.end(), 1000);
    assert.deepEqual(socket.records, [BAD_INPUT]);
  });

  test("arguments nested ten thousand deep are one bad argument", async () => {
    const socket = await Socket.joined({ node: 0, user: person("ann") });
    const deep = "[".repeat(10_000) + "]".repeat(10_000);
    socket.send(`{"type":1,"target":"ListRooms","arguments":[${deep}],"invocationId":"1"}${RS}`);
    await Promise.race([socket.completion("1"), socket.closed]);
    const other = await Socket.joined({ node: 0, user: person("bob") });
    await other.lives();
    for (const each of [socket, other]) each.leave();
  });

  test("breaks #1: a record is never split over two frames, though incoming records may be split anywhere", async (t) => {
    const [ann, bob] = [person("ann"), person("bob")];
    const [reader, writer] = [await world.cluster.connect(ann, { node: 0 }), await world.cluster.connect(bob, { node: 1 })];
    t.after(() => Promise.all([reader.stop(), writer.stop()]));
    const roomId = await makeDirect(reader, writer);
    const socket = await Socket.joined({ node: 0, user: ann });
    await socket.lives();
    // Large ones, many at once, and characters of three and four bytes.
    const bodies = Array.from({ length: 30 }, (_, index) => `${index} ${"방🙂".repeat(index * 70)}`);
    for (const body of bodies) await send(writer, roomId, body);
    await socket.record(({ arguments: given }) => given?.[0].message?.body === bodies.at(-1), "the last message");
    // Each message was parsed on its own, so none holds part of a record.
    const heard = socket.records.filter(({ target }) => target === "MessageCreated");
    assert.deepEqual(heard.map(({ arguments: given }) => given[0].message.body), bodies);

    const body = "안녕 🙂 \\u0000";
    const bytes = Buffer.from(call("SendMessage", { roomId, clientId: "cut", body }, "cut") + call("ListRooms", {}, "next"));
    for (const byte of bytes) socket.send(Buffer.from([byte]), { binary: false });
    await socket.completion("next");
    await socket.record(({ arguments: given }) => given?.[0].message?.body === body, "the message that was cut");
    socket.leave();
  });

  test("a client's Close is answered by closing the WebSocket", async () => {
    const socket = await Socket.joined({ node: 0, user: person("ann") });
    socket.send(`{"type":7}${RS}`);
    assert.equal(await socket.end(), 1000);
    assert.deepEqual(socket.records, []);
  });
});
