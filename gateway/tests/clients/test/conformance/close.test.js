// The end of connections, and the Close record, which decides what clients do next.

import assert from "node:assert/strict";

import { person } from "../../lib/cast.js";
import { until } from "../../lib/wait.js";
import { Requests, Socket, eventsOf, hub, negotiate, token } from "../../lib/wire/hub.js";
import { ACCEPTED, BAD_INPUT, RS, call, handshake, parseText } from "../../lib/wire/records.js";
import { open, send } from "../../lib/wire/http.js";
import { section } from "../../lib/wire/section.js";

const USER_CONNECTIONS = 20;
const EXPIRED = { type: 7, error: "Token expired.", allowReconnect: true };
const PATIENCE_MS = 30_000;

section("close", (test) => {
  test("invalid input gets the reference server's exact text, and allows reconnect", async () => {
    const socket = await Socket.joined({ node: 0, user: person("ann") });
    socket.send(`{${RS}`);
    assert.equal(await socket.end(), 1000);
    assert.equal(socket.messages.at(-1).data.toString(), `{"type":7,"error":"Connection closed with an error.","allowReconnect":true}${RS}`);
  });

  test("breaks #8: only a Close record without allowReconnect keeps clients away, as sent to a user's excess connection", async () => {
    const user = person("many");
    const sockets = [];
    for (let number = 0; number < USER_CONNECTIONS; number += 1) {
      const socket = await Socket.joined({ node: 0, user });
      await socket.lives();
      sockets.push(socket);
    }
    const surplus = await Socket.open({ node: 0, user });
    surplus.send(handshake());
    assert.equal(await surplus.end(), 1000);
    const text = surplus.messages.map(({ data }) => data.toString()).join("");
    const records = parseText(text.replace(ACCEPTED, ""));
    assert.equal(records.length, 1, text);
    assert.deepEqual([records[0].type, "allowReconnect" in records[0]], [7, false]);
    assert.match(records[0].error, /too many connections/);
    for (const socket of sockets) socket.leave();
  });

  test("calls received before a Close are answered before the end", async () => {
    const socket = await Socket.joined({ node: 0, user: person("ann") });
    socket.send(call("CreateRoom", { kind: "group", memberIds: [] }, "last") + `{${RS}`);
    await socket.end();
    const answers = socket.records.filter(({ type }) => type === 3 || type === 7);
    assert.equal(answers[0].invocationId, "last");
    assert.ok(answers[0].result.room.roomId);
    assert.deepEqual(answers[1], BAD_INPUT);
  });

  test("nothing follows a Close record", async () => {
    const socket = await Socket.joined({ node: 0, user: person("ann") });
    socket.send(`{${RS}${call("ListRooms", {}, "after")}{${RS}`);
    await socket.end();
    assert.deepEqual(socket.records, [BAD_INPUT]);
  });

  test("gotcha: a closed connection leaves nothing behind: a user at the limit can connect again", async () => {
    const user = person("comes-and-goes");
    for (let round = 0; round < 3 * USER_CONNECTIONS; round += 1) {
      const socket = await Socket.joined({ node: 0, user });
      await socket.lives();
      if (round % 2) {
        socket.leave();
      } else {
        socket.send(`{"type":7}${RS}`);
        await socket.end();
      }
    }
    const last = await Socket.joined({ node: 0, user });
    await last.lives();
    last.leave();
  });
});

section("close when the token ends", (test) => {
  const brief = (user) => token(user, { ttlSeconds: 3 });

  test("a WebSocket gets the error Token expired. and may reconnect", async () => {
    const user = person("brief");
    const socket = await Socket.joined({ node: 0, user, bearer: brief(user) });
    assert.equal(await socket.end(PATIENCE_MS), 1000);
    assert.deepEqual(socket.records.at(-1), EXPIRED);
  });

  test("an event stream gets the same, and ends", async () => {
    const user = person("brief");
    const requests = await Requests.negotiated(0, user);
    const stream = await open("GET", requests.url(0), { token: brief(user), headers: { accept: "text/event-stream" } });
    await requests.post(0, handshake());
    await until(() => eventsOf(stream.text).flat().some(({ type }) => type === 7), "the Close record", PATIENCE_MS);
    assert.deepEqual(eventsOf(stream.text).flat().at(-1), EXPIRED);
    assert.equal(await stream.ended, "end");
  });

  test("long polls get the same, then 204", async () => {
    const user = person("brief");
    const { connectionToken: id } = JSON.parse((await negotiate(0, user)).text);
    const url = `${hub(0)}?id=${id}`;
    const poll = (bearer) => send("GET", url, { token: bearer, deadlineMs: PATIENCE_MS });
    assert.equal((await poll(brief(user))).status, 200);
    await send("POST", url, { token: token(user), body: handshake() });
    const records = [];
    while (!records.some(({ type }) => type === 7)) records.push(...parseText((await poll(token(user))).text));
    assert.deepEqual(records.at(-1), EXPIRED);
    assert.equal((await poll(token(user))).status, 204);
  });
}, { waits: true });
