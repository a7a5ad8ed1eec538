// Authentication, and the lifetime and end of connections.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { after, before, test } from "node:test";

import { WebSocket } from "ws";

import { person, send } from "../lib/cast.js";
import { ChatClient } from "../lib/chat-client.js";
import { Cluster } from "../lib/cluster.js";
import { VERSIONS } from "../lib/signalr.js";
import { sign } from "../lib/token.js";
import { until, within } from "../lib/wait.js";

let cluster;
before(async () => (cluster = await Cluster.start()), { timeout: 180_000 });
after(() => cluster?.stop());

const RECONNECT = [0, 100, 500, 1000, 2000];
const seconds = () => Math.floor(Date.now() / 1000);

/** Tokens that must be rejected. */
function badTokens() {
  const { jwt } = cluster;
  const good = { iss: jwt.issuer, aud: jwt.audience, sub: "ann", org: "acme", name: "Ann", exp: seconds() + 600 };
  const signed = (changes, header = {}, secret = jwt.secret) =>
    sign({ alg: "HS256", typ: "JWT", ...header }, { ...good, ...changes }, secret);
  const [header, , signature] = signed({}).split(".");
  const other = Buffer.from(JSON.stringify({ ...good, sub: "bob" })).toString("base64url");
  return {
    "none at all": "",
    "no token": "what?",
    "two parts": signed({}).split(".").slice(0, 2).join("."),
    "another secret": signed({}, {}, "another secret, just as long as the first"),
    "other claims under its signature": `${header}.${other}.${signature}`,
    "alg none": signed({}, { alg: "none" }),
    "another algorithm": signed({}, { alg: "HS512" }),
    expired: signed({ exp: seconds() - 60 }),
    "without expiry": signed({ exp: undefined }),
    "not yet valid": signed({ nbf: seconds() + 600 }),
    "another audience": signed({ aud: "somebody-else" }),
    "without audience": signed({ aud: undefined }),
    "another issuer": signed({ iss: "somebody-else" }),
    "without issuer": signed({ iss: undefined }),
    "without a subject": signed({ sub: undefined }),
    "an empty subject": signed({ sub: "" }),
    "without an organization": signed({ org: undefined }),
  };
}

test("a bad token is 401 everywhere, and start() rejects", { timeout: 60_000 }, async () => {
  for (const [what, token] of Object.entries(badTokens())) {
    const headers = token ? { authorization: `Bearer ${token}` } : {};
    for (const [method, path] of [["POST", "/negotiate?negotiateVersion=1"], ["GET", ""]]) {
      const response = await fetch(`${cluster.hubUrl()}${path}`, { method, headers });
      assert.equal(response.status, 401, `${what}: ${method} ${path}`);
      assert.ok(!(await response.text()).includes(token || "eyJ"));
      const challenge = response.headers.get("www-authenticate");
      assert.match(challenge, token ? /^Bearer error="invalid_token", error_description="[^"]+"$/ : /^Bearer$/, what);
    }
    assert.equal(await upgradeStatus(cluster.hubUrl(), token), 401, what);
    for (const version of VERSIONS) {
      const client = new ChatClient({ url: cluster.hubUrl(), user: "ann", token: () => token, version });
      await assert.rejects(client.start(), /401|Unauthorized/i, what);
    }
  }
});

test("a token is accepted in the Authorization header and in the query", async () => {
  const token = cluster.token({ sub: person("ann") });
  const byHeader = await fetch(`${cluster.hubUrl()}/negotiate?negotiateVersion=1`, {
    method: "POST",
    headers: { authorization: `Bearer ${token}` },
  });
  const byQuery = await fetch(`${cluster.hubUrl()}/negotiate?negotiateVersion=1&access_token=${token}`, { method: "POST" });
  for (const response of [byHeader, byQuery]) {
    assert.equal(response.status, 200);
    const answer = await response.json();
    assert.equal(answer.negotiateVersion, 1);
    assert.ok(answer.connectionToken && answer.connectionId && answer.connectionToken !== answer.connectionId);
    assert.ok(answer.availableTransports.some(({ transport }) => transport === "WebSockets"));
  }
});

test("a foreign page may not connect, and nobody may take another user's connection", async () => {
  const ann = cluster.token({ sub: person("ann") });
  const bob = cluster.token({ sub: person("bob") });
  assert.equal(await upgradeStatus(cluster.hubUrl(), ann, { origin: "https://evil.example" }), 403);
  const negotiated = await fetch(`${cluster.hubUrl()}/negotiate?negotiateVersion=1`, {
    method: "POST",
    headers: { authorization: `Bearer ${ann}` },
  });
  const { connectionToken } = await negotiated.json();
  assert.equal(await upgradeStatus(`${cluster.hubUrl()}?id=${connectionToken}`, bob), 404);
  assert.equal(await upgradeStatus(`${cluster.hubUrl()}?id=${randomUUID()}`, ann), 404);
});

for (const version of VERSIONS) {
  test(`the dev login's token works with ${version}.0`, async () => {
    const user = person("dev");
    const login = await fetch(`${cluster.info.balancer}/dev/token`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ userId: user, orgId: "acme", name: "Dev", ttlSeconds: 60 }),
    });
    assert.equal(login.status, 200);
    const { token, expiresAt } = await login.json();
    assert.ok(Math.abs(Date.parse(expiresAt) - Date.now() - 60_000) < 10_000, expiresAt);
    const client = await new ChatClient({ url: cluster.hubUrl(), user, token: () => token, version }).start();
    const { room } = await client.call("CreateRoom", { kind: "group", memberIds: [] });
    assert.equal(room.members[0].displayName, "Dev");
    await client.stop();
  });

  test(`a connection ends with its token, and ${version}.0 reconnects with a new one`, { timeout: 90_000 }, async () => {
    const user = person("brief");
    let tokens = 0;
    const token = () => {
      tokens += 1;
      // The first connection requests a token twice: to negotiate and to connect.
      return cluster.token({ sub: user, ttlSeconds: tokens <= 2 ? 3 : 600 });
    };
    const client = new ChatClient({ url: cluster.hubUrl(), user, token, version, reconnect: RECONNECT });
    let told;
    client.listener = { onReconnecting: (error) => (told = error) };
    await client.start();
    const { room } = await client.call("CreateRoom", { kind: "group", memberIds: [] });
    const missed = await cluster.connect(user, { version });
    // With the leeway, it ends a few seconds after `exp`.
    await until(() => client.reconnects === 1, "a reconnect", 30_000);
    assert.match(String(told?.message), /Token expired\./);
    const sent = await send(missed, room.roomId, "after");
    await client.event(room.roomId, "MessageCreated", ({ seq }) => seq === sent.seq);
    assert.equal(client.closed, undefined);
    await Promise.all([client.stop(), missed.stop()]);
  });

  test(`pings keep an idle ${version}.0 connection open`, { timeout: 90_000 }, async () => {
    const user = person("idle");
    const client = new ChatClient({ url: cluster.hubUrl(), user, token: () => cluster.token({ sub: user }), version });
    // Shorter than the default of 30 s: two of the server's pings have to arrive in time.
    client.connection.serverTimeoutInMilliseconds = 17_000;
    await client.start();
    const begun = Date.now();
    await until(() => client.closed || Date.now() - begun > 35_000, "35 s of silence", 40_000, 250);
    assert.equal(client.closed, undefined);
    assert.deepEqual(await client.call("ListRooms", {}), { rooms: [] });
    await client.stop();
  });

  test(`${version}.0 reconnects after its node was stopped gracefully`, { timeout: 90_000 }, async () => {
    const users = [person("moved"), person("stays")];
    const clients = await cluster.connectApart(users, [version, version], { reconnect: RECONNECT });
    await cluster.command("stop gateway-1");
    const moved = () => clients.filter((client) => client.reconnects > 0);
    await until(() => moved().length === 1 && clients.every(({ connected }) => connected), "one is back", 30_000);
    for (const client of clients) assert.deepEqual(await client.call("ListRooms", {}), { rooms: [] });
    await cluster.command("start gateway-1");
    await Promise.all(clients.map((client) => client.stop()));
  });

  test(`a close by ${version}.0 ends the connection at once`, async () => {
    const client = await cluster.connect(person("bye"), { version });
    const before = await cluster.connections();
    await client.stop();
    await until(async () => total(await cluster.connections()) < total(before), "one connection less");
  });
}

test("a call over the record limit is rejected, and its connection stays open", async () => {
  const client = await cluster.connect(person("loud"), { reconnect: RECONNECT });
  const { room } = await client.call("CreateRoom", { kind: "group", memberIds: [] });
  for (const bytes of [300_000, 2_000_000]) {
    const refused = await client.refusal("SendMessage", { roomId: room.roomId, clientId: "c", body: "x".repeat(bytes) });
    assert.equal(refused.code, "tooLarge", refused.message);
  }
  assert.deepEqual((await client.call("GetHistory", { roomId: room.roomId })).messages, []);
  assert.equal(client.reconnects, 0);
  await client.stop();
});

test("garbage, or a missing handshake, ends the connection", { timeout: 40_000 }, async () => {
  const token = cluster.token({ sub: person("raw") });
  const silent = await openRaw(token);
  const silence = Date.now();
  const garbage = await openRaw(token);
  garbage.socket.send('{"protocol":"json","version":1}\u001e');
  await until(() => garbage.records.length === 1, "the handshake's answer");
  assert.equal(garbage.records[0], "{}");
  garbage.socket.send("this is no JSON\u001e");
  const { code } = await within(garbage.closed, "garbage is answered by a close");
  assert.equal(code, 1000);
  assert.deepEqual(JSON.parse(garbage.records.at(-1)), { type: 7, error: "Connection closed with an error.", allowReconnect: true });
  const unknown = await openRaw(token);
  unknown.socket.send('{"protocol":"smoke","version":1}\u001e');
  await within(unknown.closed, "an unknown protocol is refused");
  assert.deepEqual(JSON.parse(unknown.records[0]), { error: "The protocol 'smoke' is not supported." });
  await within(silent.closed, "silence is ended", 25_000);
  assert.ok(Date.now() - silence > 10_000);
  assert.deepEqual(JSON.parse(silent.records[0]), { error: "Handshake was canceled." });
});

test("the server pings every 15 s, even between other records", { timeout: 60_000 }, async () => {
  const user = person("raw");
  const raw = await openRaw(cluster.token({ sub: user }));
  raw.socket.send('{"protocol":"json","version":1}\u001e{"type":6}\u001e');
  const begun = Date.now();
  const pings = () => raw.records.filter((record) => record === '{"type":6}').length;
  await until(() => pings() === 1, "the first ping", 16_500);
  assert.ok(Date.now() - begun > 10_000);
  raw.socket.send('{"type":6}\u001e');
  await until(() => pings() === 2, "the second ping", 16_500);
  raw.socket.send('{"type":7}\u001e');
  await within(raw.closed, "a goodbye is answered by a close");
});

const total = (numbers) => numbers.reduce((sum, number) => sum + number, 0);

/** Returns the status of a refused upgrade. */
function upgradeStatus(url, token, headers = {}) {
  const socket = new WebSocket(url.replace("http", "ws"), {
    headers: token ? { authorization: `Bearer ${token}`, ...headers } : headers,
  });
  const status = new Promise((resolve, reject) => {
    socket.once("unexpected-response", (request, response) => {
      request.destroy();
      resolve(response.statusCode);
    });
    socket.once("open", () => reject(new Error("the upgrade was accepted")));
    socket.on("error", () => {});
  });
  return within(status, "an answer to the upgrade").finally(() => socket.terminate());
}

/** Opens a bare WebSocket without negotiation, and collects the records received. */
async function openRaw(token) {
  const socket = new WebSocket(`${cluster.hubUrl().replace("http", "ws")}?access_token=${token}`);
  const records = [];
  socket.on("message", (data) => records.push(...data.toString().split("\u001e").filter(Boolean)));
  const closed = new Promise((resolve) => socket.once("close", (code) => resolve({ code })));
  await within(new Promise((resolve, reject) => socket.once("open", resolve).once("error", reject)), "an upgrade");
  return { socket, records, closed };
}
