// Invalid input of every kind gets the contract's errors, and changes nothing.

import assert from "node:assert/strict";
import { test } from "node:test";

import { HubError } from "../../lib/chat-client.js";
import { cast, makeGroup, person, send } from "../../lib/cast.js";

const UNKNOWN = "g_AAAAAAAAAAAAAAAAAAAAAA";
const MALFORMED = ["", "g_", "x_AAAAAAAAAAAAAAAAAAAAAA", "g_AAAAAAAAAAAAAAAAAAAA/A", `g_${"A".repeat(23)}`, "한", "*", "x".repeat(5000)];
/** Neither text nor anything similar. */
const NO_TEXT = [1, true, [], {}, ["a"]];
/** Not a seq. */
const NO_SEQ = ["1", true, [], {}, -1, 1.5, 2 ** 53, 1e300];

/** Not a page size. */
const NO_LIMIT = ["1", 1.5, {}, [], true, 0, -1, -(2 ** 40)];
/** Not a list of user ids. */
const NO_IDS = ["ann", 1, {}, [1], [null], [[]], [""], ["ann", ""], ["a\u0000b"], ["x".repeat(129)]];

/** A valid request of each method that names a room. */
const inRoom = (roomId, seq) => ({
  AddMembers: { roomId, userIds: ["someone"] },
  RemoveMember: { roomId, userId: "someone" },
  LeaveRoom: { roomId },
  RenameRoom: { roomId, name: "Name" },
  ArchiveRoom: { roomId },
  UnarchiveRoom: { roomId },
  GetRoom: { roomId },
  SendMessage: { roomId, clientId: "c", body: "x" },
  EditMessage: { roomId, seq, body: "x" },
  DeleteMessage: { roomId, seq },
  React: { roomId, seq, emoji: "👍", on: true },
  MarkRead: { roomId, seq },
  MarkDelivered: { roomId, seq },
  GetHistory: { roomId },
  SearchMessages: { query: "x", roomId },
  CreateUpload: { roomId, fileName: "a.txt", contentType: "text/plain", sizeBytes: 1, sha256: "0".repeat(64) },
  GetAttachmentUrl: { roomId, attachmentId: "A".repeat(22) },
});

/** Fields of each method with values of the wrong type, and whether the field is required. */
const FIELDS = {
  CreateRoom: { kind: [[...NO_TEXT, "channel", "Direct"], true], memberIds: [NO_IDS, true], name: [NO_TEXT], caseId: [[...NO_TEXT, ""]] },
  AddMembers: { roomId: [NO_TEXT, true], userIds: [NO_IDS, true] },
  WatchPresence: { userIds: [NO_IDS, true] },
  RemoveMember: { roomId: [NO_TEXT, true], userId: [NO_TEXT, true] },
  LeaveRoom: { roomId: [NO_TEXT, true] },
  RenameRoom: { roomId: [NO_TEXT, true], name: [NO_TEXT, true] },
  ListRooms: { cursor: [[...NO_TEXT, "", "x", "!!", "A".repeat(64)]], limit: [NO_LIMIT], archived: [["true", 1]], query: [NO_TEXT] },
  ArchiveRoom: { roomId: [NO_TEXT, true] },
  UnarchiveRoom: { roomId: [NO_TEXT, true] },
  GetRoom: { roomId: [NO_TEXT, true] },
  SendMessage: { roomId: [NO_TEXT, true], clientId: [NO_TEXT, true], body: [NO_TEXT], attachmentIds: [["a", [1], {}, [null], [""], ["x"], ["A".repeat(22), ""]]], replyTo: [NO_SEQ] },
  EditMessage: { roomId: [NO_TEXT, true], seq: [NO_SEQ, true], body: [NO_TEXT, true] },
  DeleteMessage: { roomId: [NO_TEXT, true], seq: [NO_SEQ, true] },
  React: { roomId: [NO_TEXT, true], seq: [NO_SEQ, true], emoji: [[...NO_TEXT, "", "a"], true], on: [["true", 1, {}], true] },
  MarkRead: { roomId: [NO_TEXT, true], seq: [NO_SEQ, true] },
  MarkDelivered: { roomId: [NO_TEXT, true], seq: [NO_SEQ, true] },
  GetHistory: { roomId: [NO_TEXT, true], before: [NO_SEQ], after: [NO_SEQ], limit: [NO_LIMIT] },
  SearchMessages: { query: [[...NO_TEXT, "", "  ", "x".repeat(201)], true], roomId: [NO_TEXT], cursor: [[...NO_TEXT, "", "x", "A".repeat(64)]], limit: [NO_LIMIT] },
  SearchUsers: { query: [NO_TEXT], cursor: [[...NO_TEXT, "", "x", "!!", "A".repeat(64)]], limit: [NO_LIMIT] },
  CreateUpload: { roomId: [NO_TEXT, true], fileName: [NO_TEXT, true], contentType: [NO_TEXT, true], sizeBytes: [NO_SEQ.slice(0, 6), true], sha256: [NO_TEXT, true] },
  GetAttachmentUrl: { roomId: [NO_TEXT, true], attachmentId: [NO_TEXT, true] },
  Resume: { rooms: [["x", {}, [1], [{}], [{ roomId: "x" }], [{ roomId: 1, seq: 0 }], [{ roomId: "x", seq: "0" }], [{ roomId: "x", seq: -1 }]], true] },
};

const goodRequests = (roomId, seq) => ({
  ...inRoom(roomId, seq),
  CreateRoom: { kind: "group", memberIds: [] },
  ListRooms: {},
  SearchUsers: {},
  WatchPresence: { userIds: [] },
  Resume: { rooms: [] },
});

export function refusals(shared) {
  test("wrong types are invalidArgument, for every field of every method", async (t) => {
    const [ann, bob] = await cast(t, shared.cluster, "ann", "bob");
    const roomId = await makeGroup(ann, [bob]);
    const { seq } = await send(ann, roomId);
    const before = await snapshot(ann, roomId);
    const good = goodRequests(roomId, seq);
    for (const [method, fields] of Object.entries(FIELDS)) {
      for (const [field, [values, required]] of Object.entries(fields)) {
        const wrong = required ? [...values, null, undefined] : values;
        for (const value of wrong) {
          const refused = await ann.refusal(method, { ...good[method], [field]: value });
          assert.equal(refused.code, "invalidArgument", `${method} ${field} ${JSON.stringify(value)}: ${refused.message}`);
        }
      }
      for (const request of [null, [], "x", 1, true]) {
        const refused = await ann.refusal(method, request);
        assert.equal(refused.code, "invalidArgument", `${method} ${JSON.stringify(request)}: ${refused.message}`);
      }
    }
    assert.deepEqual(await snapshot(ann, roomId), before);
  });

  test("a room without access looks missing: unknown, malformed, another user's, another organization's", async (t) => {
    const [ann, bob] = await cast(t, shared.cluster, "ann", "bob");
    const roomId = await makeGroup(ann);
    const { seq } = await send(ann, roomId);
    const before = await snapshot(ann, roomId);
    const twin = await shared.cluster.connect(ann.user, { org: person("org") });
    t.after(() => twin.stop());
    const texts = new Map();
    for (const [client, room] of [[twin, roomId], [bob, roomId], [bob, UNKNOWN], ...MALFORMED.map((id) => [bob, id])]) {
      for (const [method, request] of Object.entries(inRoom(room, seq))) {
        const refused = await client.refusal(method, request);
        assert.equal(refused.code, "notFound", `${method} ${room.slice(0, 40)}: ${refused.message}`);
        // The same text for all, so that they cannot be told apart.
        texts.set(method, (texts.get(method) ?? new Set()).add(refused.message));
      }
    }
    for (const [method, different] of texts) assert.equal(different.size, 1, `${method}: ${[...different]}`);
    for (const stranger of [bob, twin]) {
      const { rooms, left } = await stranger.call("Resume", { rooms: [{ roomId, seq: 0 }] });
      assert.deepEqual([rooms, left], [[], [roomId]]);
      assert.deepEqual(stranger.events(roomId), []);
    }
    assert.deepEqual(await snapshot(ann, roomId), before);
  });

  test("method names ignore case; unknown methods and wrong numbers of arguments fail clearly", async (t) => {
    const [ann, bob] = await cast(t, shared.cluster, "ann", "bob");
    for (const client of [ann, bob]) {
      const { room } = await client.call("createroom", { kind: "group", memberIds: [] });
      assert.deepEqual(await client.call("GETROOM", { roomId: room.roomId }), { room });
      const unknown = await client.refusal("DropTables", {});
      assert.equal(unknown.message, "Failed to invoke 'DropTables' due to an error on the server. HubException: notFound: Method does not exist.");
      for (const args of [[], [{}, {}], [{ roomId: room.roomId }, 1, 2]]) {
        const wrong = await client.refusal("GetRoom", ...args);
        assert.equal(wrong.message, "Failed to invoke 'GetRoom' due to an error on the server. HubException: invalidArgument: A method takes one argument, an object.");
      }
      assert.ok(client.connected);
    }
  });

  test("a request that cannot be read is answered with its field and the rule, in both protocols", async (t) => {
    const [ann, bob] = await cast(t, shared.cluster, "ann", "bob");
    const roomId = await makeGroup(ann, [bob]);
    for (const client of [ann, bob]) {
      for (const [method, request, sentence] of [
        ["SendMessage", { roomId, body: "x" }, "clientId is missing."],
        ["SendMessage", { roomId, clientId: "x".repeat(65), body: "x" }, "clientId has to be a text of 1 to 64 characters."],
        ["CreateRoom", { kind: "salon", memberIds: [] }, "kind has to be direct or group."],
        ["CreateRoom", { kind: "group", memberIds: [7] }, "memberIds[0] has to be an id of 1 to 128 bytes without control characters."],
        ["React", { roomId, seq: 1, emoji: "no", on: true }, "emoji has to be one emoji."],
        ["Resume", { rooms: [{ roomId, seq: 1 }, { roomId, seq: -1 }] }, "rooms[1].seq has to be a seq: a whole number from 0."],
        ["Resume", { rooms: [{ seq: 1 }] }, "rooms[0].roomId is missing."],
        ["GetRoom", [roomId], "The request has to be one object."],
      ]) {
        const refused = await client.refusal(method, request);
        assert.deepEqual([refused.code, refused.sentence], ["invalidArgument", sentence], method);
      }
    }
    const { seq } = await send(ann, roomId);
    const denied = async (method, request) => {
      const refused = await bob.refusal(method, { roomId, ...request });
      assert.equal(refused.code, "forbidden");
      return refused.sentence;
    };
    assert.equal(await denied("EditMessage", { seq, body: "mine" }), "Only its sender edits a message.");
    assert.equal(await denied("DeleteMessage", { seq }), "Only its sender or an owner of the room deletes a message.");
    assert.match(await denied("ArchiveRoom", {}), /^Only an owner archives a room/);
  });

  test("field names ignore case, at any depth", async (t) => {
    const [ann, bob] = await cast(t, shared.cluster, "ann", "bob");
    const pascal = (value) => {
      if (Array.isArray(value)) return value.map(pascal);
      if (value === null || typeof value !== "object") return value;
      return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name[0].toUpperCase() + name.slice(1), pascal(inner)]));
    };
    for (const client of [ann, bob]) {
      const { room } = await client.call("CreateRoom", pascal({ kind: "group", memberIds: [], name: "Name" }));
      assert.equal(room.name, "Name");
      const { roomId } = room;
      const { seq } = await client.call("SendMessage", pascal({ roomId, clientId: "c", body: "x", attachmentIds: [] }));
      const answer = await client.call("Resume", pascal({ rooms: [{ roomId, seq: 0 }] }));
      assert.deepEqual(answer.rooms.map((resumed) => [resumed.roomId, resumed.headSeq]), [[roomId, seq]]);
      assert.deepEqual(await client.call("GetHistory", { ROOMID: roomId, Before: seq }), { messages: [], hasMore: false });
      assert.equal((await client.refusal("GetHistory", { RoomId: roomId, Limit: 0 })).code, "invalidArgument");
    }
  });

  test("a limit over the maximum is clamped, however large", async (t) => {
    const [ann, bob] = await cast(t, shared.cluster, "ann", "bob");
    const roomId = await makeGroup(ann, [bob]);
    for (const limit of [201, 2 ** 31, 2 ** 53, 2 ** 63]) {
      for (const [method, request] of [["ListRooms", {}], ["GetHistory", { roomId }], ["SearchUsers", {}], ["SearchMessages", { query: "x", roomId }]]) {
        await ann.call(method, { ...request, limit });
      }
    }
  });

  test("errors have a readable text, and the connection survives", async (t) => {
    const [ann] = await cast(t, shared.cluster, "ann");
    const refused = await ann.refusal("GetRoom", { roomId: UNKNOWN });
    assert.ok(refused instanceof HubError);
    assert.match(refused.sentence, /^[A-Z].*\.$/);
    assert.deepEqual(await ann.call("ListRooms", {}), { rooms: [] });
  });

  test("calls without an invocation id take effect, and are never answered", async (t) => {
    const [ann, bob] = await cast(t, shared.cluster, "ann", "bob");
    const roomId = await makeGroup(ann, [bob]);
    await ann.connection.send("SendMessage", { roomId, clientId: "silent", body: "no answer, please" });
    await ann.connection.send("SendMessage", { roomId, clientId: "", body: "wrong, and no answer either" });
    await ann.connection.send("NoSuchMethod", {});
    await bob.event(roomId, "MessageCreated", ({ message }) => message.clientId === "silent");
    assert.equal((await ann.call("GetHistory", { roomId })).messages.length, 1);
    assert.ok(ann.connected);
  });

  test("calls take effect in the order in which they are made", async (t) => {
    const [ann, bob] = await cast(t, shared.cluster, "ann", "bob");
    const roomId = await makeGroup(ann, [bob]);
    const bodies = Array.from({ length: 30 }, (_, number) => `${number}`);
    const acks = await Promise.all(bodies.map((body) => send(ann, roomId, body)));
    assert.deepEqual(acks.map(({ seq }) => seq), acks.map(({ seq }) => seq).sort((one, other) => one - other));
    assert.deepEqual((await bob.call("GetHistory", { roomId })).messages.map(({ body }) => body), bodies);
  });
}

async function snapshot(client, roomId) {
  const { room } = await client.call("GetRoom", { roomId });
  const { messages } = await client.call("GetHistory", { roomId });
  return { room, messages, rooms: (await client.call("ListRooms", {})).rooms.length };
}
