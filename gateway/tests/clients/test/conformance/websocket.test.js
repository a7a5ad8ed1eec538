// WebSockets: attaching and its statuses, and frames that no client library would send.

import assert from "node:assert/strict";
import { createHash, randomBytes, randomUUID } from "node:crypto";
import { readFile, readdir } from "node:fs/promises";
import { join } from "node:path";

import { person } from "../../lib/cast.js";
import { until } from "../../lib/wait.js";
import { Bare, send } from "../../lib/wire/http.js";
import { Socket, connectionToken, hub, polled, streamed, token, upgrade } from "../../lib/wire/hub.js";
import { ACCEPTED, RS, handshake } from "../../lib/wire/records.js";
import { section, world } from "../../lib/wire/section.js";

const NO_CONNECTION = "No Connection with that ID";
const WEBSOCKET_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

section("WebSocket", (test) => {
  test("without an id it is a new connection: negotiation may be skipped", async () => {
    const socket = await Socket.joined({ node: 0, user: person("ann") });
    await socket.lives();
    socket.leave();
  });

  for (const [what, id] of [["not a token of this cluster", randomUUID()], ["garbage", "1.x.y"], ["empty", ""]]) {
    test(`an id that is ${what} is 404`, async () => {
      const answer = await upgrade(`${hub(0)}?id=${id}`, { user: person("ann") });
      assert.deepEqual([answer.status, answer.text], [404, NO_CONNECTION]);
    });
  }

  test("a second attach is 409, on either node", async () => {
    const user = person("ann");
    const id = await connectionToken(0, user);
    const socket = await Socket.joined({ node: 0, user, id });
    for (const node of [0, 1]) assert.equal((await upgrade(`${hub(node)}?id=${id}`, { user })).status, 409, `node ${node}`);
    await socket.lives();
    socket.leave();
  });

  test("of many concurrent attaches with one id, on both nodes, exactly one succeeds", async () => {
    const user = person("ann");
    const id = await connectionToken(0, user);
    const answers = await Promise.allSettled(Array.from({ length: 10 }, (_, index) => Socket.open({ node: index % 2, user, id })));
    const opened = answers.filter(({ status }) => status === "fulfilled");
    assert.equal(opened.length, 1);
    for (const { reason } of answers.filter(({ status }) => status === "rejected")) assert.match(reason.message, /\b409\b/);
    opened[0].value.leave();
  });

  test("another user's bearer on an id is 404", async () => {
    const id = await connectionToken(0, person("ann"));
    for (const node of [0, 1]) assert.equal((await upgrade(`${hub(node)}?id=${id}`, { user: person("bob") })).status, 404);
  });

  test("the same user id in another organization is another user", async () => {
    const user = person("ann");
    const id = await connectionToken(0, user);
    assert.equal((await upgrade(`${hub(0)}?id=${id}`, { bearer: token(user, { org: "other" }) })).status, 404);
  });

  test("the id of an ended connection is 404, even before its token expires", async () => {
    const user = person("ann");
    const id = await connectionToken(0, user);
    const socket = await Socket.joined({ node: 0, user, id });
    socket.send(`{"type":7}${RS}`);
    await socket.end();
    const ended = async () => (await upgrade(`${hub(0)}?id=${id}`, { user })).status === 404;
    await until(ended, "404", 5_000);
  });

  for (const [method, headers, status] of [["POST", {}, 405], ["DELETE", {}, 400], ["GET", {}, 400], ["GET", { accept: "text/event-stream" }, 400]]) {
    test(`${method} ${headers.accept ?? ""} on a WebSocket's id is ${status}`, async () => {
      const user = person("ann");
      const id = await connectionToken(0, user);
      const socket = await Socket.joined({ node: 0, user, id });
      assert.equal((await send(method, `${hub(0)}?id=${id}`, { token: token(user), headers })).status, status);
      await socket.lives();
      socket.leave();
    });
  }

  test("an upgrade on the id of long polls or of an event stream is 400", async () => {
    const user = person("ann");
    const polls = await polled(user);
    const { requests, stream } = await streamed(user);
    for (const { id } of [polls, requests]) assert.equal((await upgrade(`${hub(0)}?id=${id}`, { user })).status, 400);
    stream.abort();
    await polls.delete(0);
  });

  for (const [method, headers] of [["POST", {}], ["DELETE", {}], ["GET", {}], ["GET", { accept: "text/event-stream" }]]) {
    test(`${method} ${headers.accept ?? ""} without an id, or with an empty one, is 400`, async () => {
      for (const url of [hub(0), `${hub(0)}?id=`, `${hub(0)}?id`]) {
        const answer = await send(method, url, { token: token(person("ann")), headers });
        assert.deepEqual([answer.status, answer.text], [400, "Connection ID required"]);
      }
    });
  }

  for (const method of ["PUT", "PATCH", "OPTIONS"]) {
    test(`${method} is 405`, async () => {
      assert.equal((await send(method, hub(0), { token: token(person("ann")) })).status, 405);
    });
  }

  test("the bearer may be in the header or in the query; the header takes precedence", async () => {
    const user = person("ann");
    assert.equal((await upgrade(`${hub(0)}?access_token=${token(user)}`)).status, 101);
    assert.equal((await upgrade(`${hub(0)}?access_token=x`, { user })).status, 101);
    assert.equal((await upgrade(`${hub(0)}?access_token=${token(user)}`, { bearer: "x" })).status, 401);
    assert.equal((await upgrade(hub(0))).status, 401);
  });

  test("a future WebSocket version is 426 with the supported one", async () => {
    const headers = { connection: "Upgrade", upgrade: "websocket", "sec-websocket-key": "AAAAAAAAAAAAAAAAAAAAAA==", "sec-websocket-version": "14" };
    const answer = await send("GET", hub(0), { token: token(person("ann")), headers });
    assert.deepEqual([answer.status, answer.headers["sec-websocket-version"]], [426, "13"]);
  });

  for (const [what, key] of [["no key", {}], ["an empty key", { "sec-websocket-key": "" }], ["a short key", { "sec-websocket-key": "AAAA" }],
    ["a key that is no base64", { "sec-websocket-key": "!".repeat(22) + "==" }]]) {
    test(`an upgrade with ${what} is 400`, async () => {
      const headers = { connection: "Upgrade", upgrade: "websocket", "sec-websocket-version": "13", ...key };
      assert.equal((await send("GET", hub(0), { token: token(person("ann")), headers })).status, 400);
    });
  }

  for (const [what, variant] of [["with a slash after it", (url) => `${url}/`], ["in another letter case", (url) => url.replace("/hubs/chat", "/Hubs/CHAT")]]) {
    test(`the hub's path ${what} is the hub's, on either node and behind the balancer`, async () => {
      const user = person("ann");
      for (const node of [0, 1, undefined]) {
        const url = variant(hub(node));
        const negotiated = await send("POST", `${url.replace(/\/$/, "")}/negotiate/?negotiateVersion=1`, { token: token(user) });
        assert.equal(negotiated.status, 200);
        const target = `${url}?id=${JSON.parse(negotiated.text).connectionToken}`;
        const statuses = [];
        for (const method of ["GET", "POST", "DELETE"]) statuses.push((await send(method, target, { token: token(user) })).status);
        assert.deepEqual(statuses, [200, 200, 202]);
        assert.equal((await upgrade(url, { user })).status, 101);
      }
    });
  }

  test("breaks #2: the opcode of incoming frames is ignored: JSON as Binary is answered as Text", async () => {
    const socket = await Socket.open({ node: 0, user: person("ann") });
    socket.send(Buffer.from(handshake()), { binary: true });
    await socket.until((messages) => messages.length === 1, "the answer");
    socket.messages.shift();
    socket.send(Buffer.from(`{"type":1,"target":"ListRooms","arguments":[{}],"invocationId":"1"}${RS}`), { binary: true });
    await socket.completion("1");
    assert.ok(socket.messages.every(({ binary }) => !binary));
    socket.leave();
  });

  test("breaks #2: MessagePack after a Text handshake is answered as Binary, including the handshake", async () => {
    const socket = await Socket.open({ node: 0, user: person("ann") });
    socket.send(handshake("messagepack"));
    await socket.until((messages) => messages.length === 1, "the answer");
    assert.deepEqual([socket.messages[0].data.toString(), socket.messages[0].binary], [ACCEPTED, true]);
    socket.leave();
  });

  test("a message may come in fragments, with control frames in between", async () => {
    const socket = await Socket.joined({ node: 0, user: person("ann") });
    const pongs = [];
    socket.ws.on("pong", (data) => pongs.push(data.toString()));
    socket.send('{"type":1,"target":"List', { fin: false });
    socket.ws.ping("between");
    socket.send('Rooms","arguments":[{}],', { fin: false });
    socket.send(`"invocationId":"1"}${RS}`, { fin: true });
    await socket.completion("1");
    await until(() => pongs.length === 1, "the pong");
    assert.deepEqual(pongs, ["between"]);
    socket.leave();
  });

  test("a client's close frame is answered with a close frame", async () => {
    const socket = await Socket.joined({ node: 0, user: person("ann") });
    socket.ws.close(1000);
    assert.equal(await socket.end(), 1000);
  });

  for (const [what, frame] of [["an unmasked frame", [0x81, 0x02, 0x7b, 0x7d]], ["a reserved bit", [0xc1, 0x80, 0, 0, 0, 0]], ["a reserved opcode", [0x83, 0x80, 0, 0, 0, 0]]]) {
    test(`${what} is a protocol error of the WebSocket: 1002`, async () => {
      const bare = await bareUpgrade(person("ann"));
      bare.write(Buffer.from(frame));
      // A close frame of two bytes.
      await bare.upTo(Buffer.from([0x88, 0x02, 0x03, 0xea]));
      await bare.ended;
    });
  }

  test("the upgrade's response has the key's digest and no unrequested headers", async () => {
    const key = randomBytes(16).toString("base64");
    const bare = await Bare.open(hub(0));
    bare.write(request(token(person("ann")), key, "sec-websocket-extensions: permessage-deflate\r\n"));
    const head = (await bare.upTo("\r\n\r\n")).toString().toLowerCase();
    assert.match(head, /^http\/1\.1 101 /);
    const digest = createHash("sha1").update(key + WEBSOCKET_GUID).digest("base64").toLowerCase();
    assert.ok(head.includes(`sec-websocket-accept: ${digest}`), head);
    assert.ok(!head.includes("extensions"), "compression was not agreed");
    bare.close();
  });

  test("gotcha: a token in a URL appears in no log of the gateways or the balancer", async () => {
    const user = person("ann");
    for (const node of [0, 1, undefined]) {
      const socket = await Socket.joined({ node, user });
      socket.send(`{"type":1,"headers":{"Authorization":"Bearer ${token(user)}"},"target":"ListRooms","arguments":[{}],"invocationId":"1"}${RS}`);
      await socket.completion("1");
      socket.send(`{"type":7}${RS}`);
      await socket.end();
      await upgrade(`${hub(node)}?id=x&access_token=${token(user)}`);
    }
    const logs = await everythingIn(world.cluster.info.directory);
    assert.ok(logs.some((text) => text.includes(user)), "the logs were found");
    assert.ok(!logs.some((text) => /eyJ[A-Za-z0-9_-]{10}|access_token=/.test(text)));
  });
});

const request = (bearer, key, more = "") =>
  `GET /hubs/chat?access_token=${bearer} HTTP/1.1\r\nhost: chat\r\nconnection: Upgrade\r\nupgrade: websocket\r\n` +
  `sec-websocket-version: 13\r\nsec-websocket-key: ${key}\r\n${more}\r\n`;

async function bareUpgrade(user) {
  const bare = await Bare.open(hub(0));
  bare.write(request(token(user), randomBytes(16).toString("base64")));
  await bare.upTo("\r\n\r\n");
  return bare;
}

/** The text of the logs under a directory: the output of all processes. */
async function everythingIn(directory) {
  const entries = await readdir(directory, { withFileTypes: true, recursive: true });
  const logs = entries.filter((entry) => entry.isFile() && entry.name.endsWith(".log"));
  return Promise.all(logs.map((entry) => readFile(join(entry.parentPath ?? entry.path, entry.name), "utf8")));
}
