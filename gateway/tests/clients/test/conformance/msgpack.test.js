// MessagePack records, byte by byte: those observed from clients, and those that must end the connection.

import assert from "node:assert/strict";

import { encode } from "@msgpack/msgpack";

import { makeGroup, person, send } from "../../lib/cast.js";
import { Socket } from "../../lib/wire/hub.js";
import { BAD_INPUT, bodies, hex, packed, prefixed } from "../../lib/wire/records.js";
import { section, world } from "../../lib/wire/section.js";

const RECORD_BYTES = 262_144;
const CLOSE = [7, BAD_INPUT.error, true];
const UNKNOWN = (name) => `Failed to invoke '${name}' due to an error on the server. HubException: notFound: Method does not exist.`;

/** Observed records of the JavaScript client, and the responses. */
const SEEN = [
  ["a ping", "02 91 06", []],
  ["Echo(\"x\") with id 0", "0d 95 01 80 a1 30 a4 45 63 68 6f 91 a1 78", [[3, {}, "0", 1, UNKNOWN("Echo")]]],
  ["NB(\"y\") without an id", "0a 95 01 80 c0 a2 4e 42 91 a1 79", []],
  ["the stream S(1) with id 4", "09 95 04 80 a1 34 a1 53 91 01", [[3, {}, "4", 1, UNKNOWN("S")]]],
  ["a cancel of 5", "05 93 05 80 a1 35", []],
  ["a result 42 for 0", "07 95 03 80 a1 30 03 2a", []],
  ["a void result for 1", "06 94 03 80 a1 31 02", []],
  ["a null result for 2", "07 95 03 80 a1 32 03 c0", []],
  ["an error for 3", "0a 95 03 80 a1 33 01 a3 62 61 64", []],
  ["a call with stream ids", "0b 96 01 80 a3 73 72 76 a1 71 90 90", [[3, {}, "srv", 1, UNKNOWN("q")]]],
];

/** Bodies, without their length prefix. */
const ENDS_THE_CONNECTION = [
  ["a map", hex("80")],
  ["an integer", hex("06")],
  ["an empty array", hex("90")],
  ["a byte that is not MessagePack", hex("c1")],
  ["bytes after the array", hex("91 06 06")],
  ["a truncated array", hex("92 06")],
  ["an array that announces 2^32-1 elements", hex("dd ff ff ff ff 06")],
  ["a type that is a float", hex("91 cb 40 18 00 00 00 00 00 00")],
  ["a type that is a string", hex("91 a1 36")],
  ["a nil type", hex("91 c0")],
  ["headers that are nil", hex("95 01 c0 c0 a1 41 90")],
  ["a header that is not a string", hex("95 01 81 a1 61 01 c0 a1 41 90")],
  ["an id that is a number", hex("95 01 80 07 a1 41 90")],
  ["no target", hex("93 01 80 c0")],
  ["a target that is not a string", hex("95 01 80 c0 07 90")],
  ["no arguments", hex("94 01 80 c0 a1 41")],
  ["nil arguments", hex("95 01 80 c0 a1 41 c0")],
  ["an argument that announces 4 GiB", hex("95 01 80 c0 a1 41 91 c6 ff ff ff ff")],
  ["text that is not UTF-8", hex("95 01 80 a1 ff a1 41 90")],
  ["a completion of an unknown kind", hex("94 03 80 a1 30 04")],
  ["a cancel without an id", hex("93 05 80 c0")],
  ["excessive nesting", Buffer.concat([hex("95 01 80 c0 a1 41 91"), Buffer.alloc(200, 0x91), hex("c0")])],
];

const BAD_LENGTHS = [
  ["a length of zero", "00"],
  ["a length of 2 GiB", "ff ff ff ff 07"],
  ["a length of more than 31 bits", "80 80 80 80 08"],
  ["a length of six bytes", "80 80 80 80 80 01"],
];

section("MessagePack", (test) => {
  const joined = (user = person("ann")) => Socket.joined({ node: 0, user, protocol: "messagepack" });
  const alive = async (socket, id = "alive") => {
    socket.send(packed(1, {}, id, "ListRooms", [{}], []));
    return socket.completion(id);
  };

  for (const [what, record, answers] of SEEN) {
    test(`as clients send it: ${what}`, async () => {
      const socket = await joined();
      socket.send(hex(record));
      await alive(socket);
      assert.deepEqual(socket.records.slice(0, -1), answers);
      assert.ok(socket.messages.every(({ binary }) => binary));
      socket.leave();
    });
  }

  test("a client's Close is answered by closing the WebSocket", async () => {
    const socket = await joined();
    socket.send(hex("03 92 07 c0"));
    assert.equal(await socket.end(), 1000);
    assert.deepEqual(socket.records, []);
  });

  for (const [what, body] of ENDS_THE_CONNECTION) {
    test(`ends the connection: ${what}`, async () => {
      const socket = await joined();
      socket.send(prefixed(body));
      assert.equal(await socket.end(), 1000);
      assert.deepEqual(socket.records, [CLOSE]);
    });
  }

  for (const [what, bytes] of BAD_LENGTHS) {
    test(`gotcha: an announced length allocates nothing: ${what} ends the connection before a body comes`, async () => {
      const socket = await joined();
      socket.send(hex(bytes));
      assert.equal(await socket.end(), 1000);
      assert.deepEqual(socket.records, [CLOSE]);
    });
  }

  test("breaks #10: invocations of the server always have six elements, those of clients may have five", async (t) => {
    const user = person("ann");
    const socket = await joined(user);
    socket.send(packed(1, {}, "five", "ListRooms", [{}]));
    assert.deepEqual(await socket.completion("five"), [3, {}, "five", 3, { rooms: [] }]);
    const client = await world.cluster.connect(user, { node: 1 });
    t.after(() => client.stop());
    await send(client, await makeGroup(client));
    const [, , id, , args, streams] = await socket.record((record) => record[3] === "MessageCreated", "the event");
    assert.deepEqual([id, args.length, streams], [null, 1, []]);
    const invocations = socket.messages.flatMap(({ data }) => bodies(data)).filter((body) => body[1] === 1);
    assert.ok(invocations.length >= 2 && invocations.every((body) => body[0] === 0x96));
    socket.leave();
  });

  test("a result has kind 3 and its value, an error kind 1 and its text", async () => {
    const socket = await joined();
    assert.deepEqual(await alive(socket, "0"), [3, {}, "0", 3, { rooms: [] }]);
    socket.send(packed(1, {}, "1", "GetRoom", [{ roomId: "nobody's" }], []));
    const [, , , kind, text] = await socket.completion("1");
    assert.equal(kind, 1);
    assert.match(text, /^An unexpected error occurred invoking 'GetRoom' on the server\. HubException: notFound: /);
    socket.leave();
  });

  test("a body of 211 bytes has the prefix d3 01; responses use the shortest prefix, too", async () => {
    const socket = await joined();
    const frame = (fill) => Buffer.from(encode([1, {}, "0", "x".repeat(fill), [{}]]));
    const body = frame(211 - frame(0).length - 1);
    assert.equal(body.length, 211);
    const record = prefixed(body);
    assert.deepEqual([...record.subarray(0, 2)], [0xd3, 0x01]);
    socket.send(record);
    const [, , , , error] = await socket.completion("0");
    assert.match(error, /Method does not exist/);
    const [answer] = socket.messages;
    const [whole] = bodies(answer.data);
    assert.ok(whole.length > 127 && answer.data.equals(prefixed(whole)));
    socket.leave();
  });

  test("integers of every width, and extra elements, are read correctly", async () => {
    const socket = await joined();
    const limit = { uint8: "cc 05", uint16: "cd 00 05", uint32: "ce 00 00 00 05", uint64: "cf 00 00 00 00 00 00 00 05", int8: "d0 05", int64: "d3 00 00 00 00 00 00 00 05" };
    for (const [width, value] of Object.entries(limit)) {
      // [type, {}, id, "ListRooms", [{"limit": value}], [], "extra"], its type as a uint64.
      const head = hex(`97 cf 00 00 00 00 00 00 00 01 80`);
      const rest = Buffer.concat([Buffer.from(encode(width)), Buffer.from(encode("ListRooms")), hex("91 81 a5 6c 69 6d 69 74"), hex(value), hex("90 c3")]);
      socket.send(prefixed(Buffer.concat([head, rest])));
      assert.deepEqual((await socket.completion(width))[4], { rooms: [] }, width);
    }
    socket.leave();
  });

  test("without an id nothing is answered; an empty id counts as none", async () => {
    const socket = await joined();
    for (const id of [null, ""]) for (const target of ["ListRooms", "Nothing"]) socket.send(packed(1, {}, id, target, [{}]));
    await alive(socket);
    assert.equal(socket.records.length, 1);
    socket.leave();
  });

  test("a timestamp, binary or a large integer in place of text is one bad argument, not a bad record", async () => {
    const socket = await joined();
    for (const [index, value] of [new Date(), new Uint8Array([1, 2]), 2 ** 40, undefined].entries()) {
      socket.send(packed(1, {}, `${index}`, "GetRoom", [{ roomId: value }], []));
      const [, , , kind, text] = await socket.completion(`${index}`);
      assert.equal(kind, 1);
      assert.match(text, /HubException: (invalidArgument|notFound): /);
    }
    const bytes = new Uint8Array(Buffer.from("text"));
    const wrong = { GetRoom: { roomId: bytes }, CreateRoom: { kind: "group", memberIds: [bytes] }, ListRooms: { query: bytes }, RenameRoom: { roomId: "x", name: bytes } };
    for (const [target, request] of Object.entries(wrong)) {
      socket.send(packed(1, {}, target, target, [request], []));
      assert.match((await socket.completion(target))[4], /HubException: invalidArgument: /, target);
    }
    await alive(socket);
    socket.leave();
  });

  test("unknown record types are skipped", async () => {
    const socket = await joined();
    for (const type of [0, 10, 127, 4_000_000]) socket.send(packed(type, { a: 1 }, 7));
    await alive(socket);
    assert.equal(socket.records.length, 1);
    socket.leave();
  });

  test("records may be split after every byte, and one frame may hold many", async () => {
    const socket = await joined();
    const calls = ["a", "b", "c"].map((id) => packed(1, {}, id, "ListRooms", [{ query: "방🙂" }], []));
    for (const byte of Buffer.concat(calls)) socket.send(Buffer.from([byte]));
    await socket.completion("c");
    socket.send(Buffer.concat(["d", "e", "f"].map((id) => packed(1, {}, id, "ListRooms", [{}], []))));
    // Reads are answered as they complete, in any order.
    for (const id of ["a", "b", "c", "d", "e", "f"]) await socket.completion(id);
    assert.equal(socket.records.length, 6);
    socket.leave();
  });

  test("a record may have 256 KiB; a larger call is rejected, and any other larger record ends the connection", async () => {
    const sized = (bytes) => {
      const make = (fill) => Buffer.from(encode([6, Buffer.alloc(fill)]));
      return prefixed(make(bytes - make(100_000).length + 100_000));
    };
    const socket = await joined();
    const largest = sized(RECORD_BYTES - 3);
    assert.equal(largest.length, RECORD_BYTES);
    socket.send(Buffer.concat([largest, largest]));
    await alive(socket);
    socket.send(packed(1, {}, "large", "ListRooms", [{ query: "x".repeat(RECORD_BYTES) }], []));
    const [, , , kind, error] = await socket.completion("large");
    assert.equal(kind, 1);
    assert.match(error, /'ListRooms' .* tooLarge: /);
    await alive(socket, "on");
    socket.send(sized(RECORD_BYTES + 1));
    assert.equal(await socket.end(), 1000);
    assert.deepEqual(socket.records.at(-1), CLOSE);
  });
});
