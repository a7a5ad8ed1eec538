// Stateful reconnect, version 2 of the protocol: the connection survives the loss of its socket.

import assert from "node:assert/strict";

import { makeGroup, person, send as sendMessage } from "../../lib/cast.js";
import { pause, until } from "../../lib/wait.js";
import { Socket, connectionToken, hub, negotiate, token, upgrade } from "../../lib/wire/hub.js";
import { RS, call, packed } from "../../lib/wire/records.js";
import { section, world } from "../../lib/wire/section.js";

const STATEFUL = "negotiateVersion=1&useStatefulReconnect=true";
const WINDOW_MS = 15_000;
const NUMBERED = new Set([1, 2, 3, 4, 5]);

const ack = (sequenceId) => `{"type":8,"sequenceId":${sequenceId}}${RS}`;
const sequence = (sequenceId) => `{"type":9,"sequenceId":${sequenceId}}${RS}`;
const numbered = (socket) => socket.records.filter(({ type }) => NUMBERED.has(type));
const sequenceOf = (socket) => socket.record(({ type }) => type === 9, "a Sequence");

/** A connection with stateful reconnect. */
async function granted(node = 0, user = person("ann"), options = {}) {
  const id = await connectionToken(node, user, STATEFUL);
  const socket = await Socket.joined({ node, user, id, version: 2, ...options });
  return { user, id, socket };
}

/** Reconnects after a drop: no negotiation, no handshake, but a Sequence first. */
async function again({ user, id }, node = 0, first = 1) {
  const socket = await Socket.open({ node, user, id });
  if (first !== undefined) socket.send(sequence(first));
  return socket;
}

/** True if the connection's id is 404 on a node. */
const isOver = async ({ user, id }, node = 0) => (await upgrade(`${hub(node)}?id=${id}`, { user })).status === 404;

section("stateful reconnect", (test) => {
  test("it is granted on request, and not mentioned otherwise", async () => {
    assert.equal(JSON.parse((await negotiate(0, person("ann"), STATEFUL)).text).useStatefulReconnect, true);
    for (const query of ["negotiateVersion=1", "negotiateVersion=1&useStatefulReconnect=false"]) {
      assert.ok(!("useStatefulReconnect" in JSON.parse((await negotiate(0, person("ann"), query)).text)), query);
    }
  });

  test("records of the client are acked in about a second: the highest id, counting calls but not pings", async () => {
    const { socket } = await granted();
    socket.send(`{"type":6}${RS}${call("ListRooms", {}, "1")}{"type":6}${RS}${call("ListRooms", {}, "2")}`);
    await socket.record(({ type, sequenceId }) => type === 8 && sequenceId === 2, "Ack 2", 5_000);
    socket.leave();
  });

  for (const node of [0, 1]) {
    test(`breaks #11: a re-upgrade on node ${node} is answered by the id of the first unacked record, and its replay`, async () => {
      const connection = await granted(0);
      const { socket } = connection;
      socket.send(call("ListRooms", {}, "1") + call("Nothing", {}, "2"));
      for (const id of ["1", "2"]) await socket.completion(id);
      socket.leave();
      const back = await again(connection, node, 3);
      await until(() => numbered(back).length === 2, () => `the replay in ${JSON.stringify(back.records)}`);
      assert.deepEqual(back.records.filter(({ type }) => type !== 8), [{ type: 9, sequenceId: 1 }, ...numbered(socket)]);
      await back.lives();
      back.leave();
    });
  }

  test("breaks #11: acked records are not replayed; then the Sequence is the last id plus one", async () => {
    const connection = await granted();
    const { socket } = connection;
    socket.send(call("Nothing", {}, "1") + call("Nothing", {}, "2"));
    await socket.completion("2");
    socket.send(ack(1));
    await socket.lives();
    socket.leave();
    const second = await again(connection, 0, 4);
    assert.equal((await sequenceOf(second)).sequenceId, 2);
    await until(() => numbered(second).length === 2, "the replay");
    assert.equal(numbered(second)[0].invocationId, "2");
    second.send(ack(3));
    await pause(300);
    second.leave();
    const third = await again(connection, 0, 4);
    assert.equal((await sequenceOf(third)).sequenceId, 4);
    assert.equal(numbered(third).length, 0);
    third.leave();
  });

  test("the server's Sequence does not wait for the client's", async () => {
    const connection = await granted();
    connection.socket.leave();
    const back = await again(connection, 0, undefined);
    assert.equal((await sequenceOf(back)).sequenceId, 1);
    back.send(sequence(1));
    await back.lives();
    back.leave();
  });

  test("a pending call survives the drop, and is answered once", async () => {
    const connection = await granted();
    const { socket } = connection;
    socket.send(call("CreateRoom", { kind: "group", memberIds: [] }, "room"));
    await socket.record(({ type, sequenceId }) => type === 8 && sequenceId === 1, "Ack 1", 5_000);
    socket.leave();
    const back = await again(connection, 1, 2);
    const { result } = await back.completion("room");
    assert.ok(result.room.roomId);
    back.send(call("ListRooms", {}, "list"));
    assert.equal((await back.completion("list")).result.rooms.length, 1);
    assert.equal(numbered(back).filter(({ invocationId }) => invocationId === "room").length, 1);
    back.leave();
  });

  test("records that the client replays are not executed twice", async () => {
    const connection = await granted();
    const { socket } = connection;
    const create = call("CreateRoom", { kind: "group", memberIds: [] }, "1");
    socket.send(create);
    await socket.completion("1");
    socket.leave();
    const back = await again(connection, 0, 1);
    back.send(create + call("ListRooms", {}, "2"));
    assert.equal((await back.completion("2")).result.rooms.length, 1);
    back.leave();
  });

  test("events missed without a socket arrive in order, each once", async (t) => {
    const connection = await granted();
    await connection.socket.lives();
    const client = await world.cluster.connect(connection.user, { node: 1 });
    t.after(() => client.stop());
    const roomId = await makeGroup(client);
    await connection.socket.record(({ target }) => target === "RoomAdded", "the room");
    connection.socket.send(ack(numbered(connection.socket).length));
    await pause(200);
    connection.socket.leave();
    const sent = [];
    for (let number = 0; number < 10; number += 1) sent.push(await sendMessage(client, roomId, `${number}`));
    const back = await again(connection, 1, 2);
    const heard = () => back.records.filter(({ target }) => target === "MessageCreated").map(({ arguments: [{ seq }] }) => seq);
    await until(() => heard().length >= sent.length, () => `all events; ${heard()}`);
    assert.deepEqual(heard(), sent.map(({ seq }) => seq));
    back.leave();
  });

  test("MessagePack: the same with arrays", async () => {
    const connection = await granted(0, person("ann"), { protocol: "messagepack" });
    connection.socket.send(packed(1, {}, "1", "ListRooms", [{}]));
    await connection.socket.completion("1");
    connection.socket.leave();
    const back = await Socket.open({ node: 1, user: connection.user, id: connection.id });
    back.protocol = "messagepack";
    back.send(packed(9, 2));
    await until(() => back.records.length >= 2, "the replay");
    assert.deepEqual(back.records.filter(([type]) => type !== 8), [[9, 1], [3, {}, "1", 3, { rooms: [] }]]);
    assert.ok(back.messages.every(({ binary }) => binary));
    back.leave();
  });

  test("a re-upgrade replaces a half-open socket", async () => {
    const connection = await granted();
    await connection.socket.lives();
    const back = await again(connection, 1, 2);
    await back.lives();
    await connection.socket.end();
    back.leave();
  });

  test("another user's bearer on the id is 404, and does not harm the connection", async () => {
    const connection = await granted();
    connection.socket.leave();
    assert.equal((await upgrade(`${hub(0)}?id=${connection.id}`, { user: person("bob") })).status, 404);
    assert.equal((await upgrade(`${hub(1)}?id=${connection.id}`, { bearer: token(connection.user, { org: "other" }) })).status, 404);
    const back = await again(connection, 0, 1);
    await back.lives();
    back.leave();
  });

  for (const [what, record] of [["is too high", sequence(40)], ["is not a number", `{"type":9,"sequenceId":"x"}${RS}`]]) {
    test(`a Sequence that ${what} ends the connection, 404 afterwards`, async () => {
      const connection = await granted();
      await connection.socket.lives();
      connection.socket.leave();
      const back = await again(connection, 0, undefined);
      back.send(record);
      await back.end();
      await until(() => isOver(connection), "404");
    });
  }

  test("a client's Close ends the connection: 404 afterwards, on either node", async () => {
    const connection = await granted();
    connection.socket.send(`{"type":7}${RS}`);
    await connection.socket.end();
    for (const node of [0, 1]) await until(() => isOver(connection, node), `404 on node ${node}`);
  });

  test("invalid input ends the connection: 404 afterwards", async () => {
    const connection = await granted();
    connection.socket.send(`{${RS}`);
    await connection.socket.end();
    await until(() => isOver(connection), "404");
  });

  test("without a request for it, a drop ends the connection, whatever the handshake's version", async () => {
    const user = person("ann");
    const id = await connectionToken(0, user);
    const socket = await Socket.joined({ node: 0, user, id, version: 2 });
    await socket.lives();
    socket.leave();
    await until(() => isOver({ user, id }), "404");
  });

  test("a buffer that fills up without a socket ends the connection: 404, no partial replay, no delay of senders", async (t) => {
    const connection = await granted();
    await connection.socket.lives();
    const client = await world.cluster.connect(connection.user, { node: 1 });
    t.after(() => client.stop());
    const roomId = await makeGroup(client);
    await connection.socket.record(({ target }) => target === "RoomAdded", "the room");
    connection.socket.leave();
    for (let number = 0; number < 10; number += 1) await sendMessage(client, roomId, "x".repeat(16_000));
    await until(() => isOver(connection), "404 long before the window ends", 5_000);
  });
});

section("stateful reconnect, waiting", (test) => {
  test("after 15 s without a socket the connection ends: 404", async () => {
    const connection = await granted();
    connection.socket.leave();
    await pause(WINDOW_MS + 2_500);
    for (const node of [0, 1]) assert.equal(await isOver(connection, node), true, `node ${node}`);
  });

  test("reconnects within the window may repeat beyond a token's lifetime", async () => {
    const connection = await granted();
    await connection.socket.lives();
    connection.socket.leave();
    for (let round = 0; round < 3; round += 1) {
      await pause(8_000);
      const back = await again(connection, round % 2, undefined);
      const { sequenceId } = await sequenceOf(back);
      assert.equal(sequenceId, 1);
      back.send(sequence(round + 2));
      await back.lives();
      back.leave();
    }
  });
}, { waits: true });
