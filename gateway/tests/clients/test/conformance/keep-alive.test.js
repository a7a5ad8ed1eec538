// Keep-alive: the pings of both sides, and the timeout of a silent client. The cases wait for real timers, all at once.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";

import { makeGroup, person, send } from "../../lib/cast.js";
import { pause, until, within } from "../../lib/wait.js";
import { Bare } from "../../lib/wire/http.js";
import { Socket, eventsOf, hub, streamed, token } from "../../lib/wire/hub.js";
import { RS, hex } from "../../lib/wire/records.js";
import { section, world } from "../../lib/wire/section.js";

const PING_MS = 15_000;
const CLIENT_TIMEOUT_MS = 30_000;
/** Tolerance for a loaded machine. */
const LATE_MS = 4_000;

const PING = `{"type":6}${RS}`;

/** Checks that pings came every 15 s since a moment. */
function checkPings(moments, begun, count) {
  for (let index = 0; index < count; index += 1) {
    const off = moments[index] - begun - (index + 1) * PING_MS;
    assert.ok(Math.abs(off) < LATE_MS, `ping ${index + 1} came ${moments[index] - begun} ms after the handshake`);
  }
}

section("keep-alive", (test) => {
  test("breaks #9: clients ignore WebSocket pings: a record of type 6 comes every 15 s", async () => {
    const socket = await Socket.joined({ node: 0, user: person("idle") });
    const begun = Date.now();
    const pings = () => socket.messages.filter(({ data }) => data.toString() === PING);
    await until(() => pings().length === 3, "three pings", 3 * PING_MS + LATE_MS, 100);
    checkPings(pings().map(({ at }) => at), begun, 3);
    socket.leave();
  });

  test("gotcha: pings keep their own schedule, whatever the traffic", async (t) => {
    const user = person("busy");
    const socket = await Socket.joined({ node: 0, user });
    const begun = Date.now();
    const client = await world.cluster.connect(user, { node: 1 });
    t.after(() => client.stop());
    const roomId = await makeGroup(client);
    const isPing = ({ data }) => data.toString().split(RS).includes('{"type":6}');
    while (socket.messages.filter(isPing).length < 2) {
      assert.ok(Date.now() - begun < 2 * PING_MS + LATE_MS, "two pings among the events");
      await send(client, roomId);
      socket.send(PING);
      await pause(500);
    }
    checkPings(socket.messages.filter(isPing).map(({ at }) => at), begun, 2);
    assert.ok(socket.records.filter(({ target }) => target === "MessageCreated").length > 20);
    socket.leave();
  });

  test("a MessagePack ping is 02 91 06, in a Binary frame", async () => {
    const socket = await Socket.joined({ node: 0, user: person("idle"), protocol: "messagepack" });
    await socket.until((messages) => messages.length > 0, "a ping", PING_MS + LATE_MS);
    const [{ data, binary }] = socket.messages;
    assert.deepEqual([data, binary], [hex("02 91 06"), true]);
    socket.leave();
  });

  test("on an event stream the ping is an event, not a comment, and a client that reads pings is not treated as slow", async () => {
    const { stream } = await streamed(person("idle"), [0, 1]);
    const pings = () => eventsOf(stream.text).flat().filter(({ type }) => type === 6);
    await until(() => pings().length === 3, () => `three pings in ${stream.text}`, 3 * PING_MS + LATE_MS, 100);
    assert.ok(stream.text.endsWith(`data: ${PING}\r\n\r\n`.repeat(3)));
    stream.abort();
  });

  test("a client that pings, then is silent for 30 s, is closed, even if its WebSocket answers", async () => {
    const socket = await Socket.joined({ node: 0, user: person("silent") });
    socket.send(PING);
    const begun = Date.now();
    assert.equal(await socket.end(CLIENT_TIMEOUT_MS + 2 * LATE_MS), 1000);
    assert.ok(Date.now() - begun > CLIENT_TIMEOUT_MS - 1_000, `after ${Date.now() - begun} ms`);
    const { type, error, allowReconnect } = socket.records.at(-1);
    assert.deepEqual([type, error, allowReconnect], [7, "The client was silent for too long.", true]);
  });

  test("a client that never pings stays as long as its WebSocket answers", async () => {
    const socket = await Socket.joined({ node: 0, user: person("quiet") });
    await pause(2 * CLIENT_TIMEOUT_MS + 3_000);
    await socket.lives();
    socket.leave();
  });

  test("a client with a half-open socket that answers nothing is closed after a minute", async () => {
    const user = person("half");
    const bare = await Bare.open(hub(0));
    const key = randomBytes(16).toString("base64");
    bare.write(
      `GET /hubs/chat?access_token=${token(user)} HTTP/1.1\r\nhost: chat\r\nconnection: Upgrade\r\nupgrade: websocket\r\n` +
        `sec-websocket-version: 13\r\nsec-websocket-key: ${key}\r\n\r\n`,
    );
    await bare.upTo("\r\n\r\n");
    const request = Buffer.from(`{"protocol":"json","version":1}${RS}`);
    // Masked with zeros.
    bare.write(Buffer.concat([Buffer.from([0x81, 0x80 | request.length, 0, 0, 0, 0]), request]));
    const begun = Date.now();
    await within(bare.ended, "the end of the socket", 2 * CLIENT_TIMEOUT_MS + 3 * LATE_MS);
    assert.ok(Date.now() - begun > 2 * CLIENT_TIMEOUT_MS - 1_000, `after ${Date.now() - begun} ms`);
    assert.ok(bare.received.includes('"type":7'), "it was told");
  });

  test("a client that pings every 15 s, as stock clients do, stays connected", async () => {
    const socket = await Socket.joined({ node: 0, user: person("pings") });
    for (let round = 0; round < 3; round += 1) {
      socket.send(PING);
      await pause(PING_MS);
    }
    await socket.lives();
    socket.leave();
  });
}, { waits: true });
