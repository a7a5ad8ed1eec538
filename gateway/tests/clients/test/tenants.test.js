// A cluster as a deployment has it by default: only people of the directory are added, only services make rooms of cases; and
// what nobody may find out or do from elsewhere.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import WebSocket from "ws";

import { makeDirect, person, send as say } from "../lib/cast.js";
import { ChatClient } from "../lib/chat-client.js";
import { Cluster } from "../lib/cluster.js";
import { until } from "../lib/wait.js";
import { send } from "../lib/wire/http.js";

const OPTIONS = ["--env", "gateway:RTS_MEMBERS=directory", "--env", "gateway:RTS_CASES=service", "--env", "gateway:RTS_LIMIT_ROOMS_MADE=30"];
const ROUNDS = 150;
const RATIO_MAX = 1.3;

let cluster;
before(async () => (cluster = await Cluster.start(OPTIONS)), { timeout: 180_000 });
after(() => cluster?.stop());

/** Connects somebody whose token has further claims. */
async function connect(t, user, { org = "acme", ...claims } = {}) {
  const client = new ChatClient({ url: cluster.hubUrl(0), user, token: () => cluster.token({ sub: user, org, ...claims }) });
  t.after(() => client.stop());
  return client.start();
}

const service = (t, org) => connect(t, person("service"), { org, scope: "openid rts:service" });

test("existence cannot be told by time", { timeout: 120_000 }, async (t) => {
  const org = person("acme");
  const [ann, bob] = [await connect(t, person("ann"), { org }), await connect(t, person("bob"), { org })];
  const direct = await makeDirect(ann, bob);
  const maker = await service(t, org);
  const roomOf = async (caseId) => (await maker.call("CreateRoom", { kind: "group", memberIds: [ann.user], caseId })).room.roomId;
  const [warm, cold] = [await roomOf(person("case")), await roomOf(person("case"))];
  const { seq } = await say(ann, cold, "stored");
  await until(async () => (await cluster.dynamo.messages(cold)).some((message) => message.seq === seq), "it is stored", 20_000);
  const meta = (await cluster.redis(`KEYS *:room:${cold}:meta`)).split("\r\n").at(-1);
  assert.ok(meta.endsWith(":meta"), meta);
  await cluster.redis(`DEL ${meta}`);

  for (const outsider of [await connect(t, person("eve"), { org: person("other") }), await connect(t, person("colleague"), { org })]) {
    const rooms = { direct, "a case": warm, "a cold case": cold, nothing: "c_AAAAAAAAAAAAAAAAAAAAAA" };
    const times = Object.fromEntries(Object.keys(rooms).map((what) => [what, []]));
    for (let round = 0; round < ROUNDS; round += 1) {
      for (const [what, roomId] of Object.entries(rooms)) {
        const begun = performance.now();
        const { code } = await outsider.refusal("GetRoom", { roomId });
        times[what].push(performance.now() - begun);
        assert.equal(code, "notFound");
      }
    }
    const medians = Object.fromEntries(Object.entries(times).map(([what, all]) => [what, all.sort((one, other) => one - other)[ROUNDS / 2]]));
    const [least, most] = [Math.min(...Object.values(medians)), Math.max(...Object.values(medians))];
    assert.ok(most <= RATIO_MAX * least, JSON.stringify(medians));
    assert.equal(await cluster.redis(`EXISTS ${meta}`), ":0", "nobody's asking brings a room back");
  }
});

test("only people whom the directory knows are added", { timeout: 60_000 }, async (t) => {
  const [ann, bob] = [await connect(t, person("ann")), await connect(t, person("bob"))];
  const stranger = person("stranger");
  for (const memberIds of [[stranger], [bob.user, stranger]]) {
    assert.equal((await ann.refusal("CreateRoom", { kind: "group", memberIds })).code, "notFound");
  }
  assert.equal((await ann.refusal("CreateRoom", { kind: "direct", memberIds: [stranger] })).code, "notFound");
  const { room } = await ann.call("CreateRoom", { kind: "group", memberIds: [bob.user] });
  assert.equal((await ann.refusal("AddMembers", { roomId: room.roomId, userIds: [stranger] })).code, "notFound");
  assert.equal((await ann.call("GetRoom", { roomId: room.roomId })).room.memberCount, 2, "what is refused changes nothing");
  const late = await connect(t, stranger);
  assert.equal((await ann.call("AddMembers", { roomId: room.roomId, userIds: [late.user] })).room.memberCount, 3);
});

test("only a service makes rooms of cases, and others find those that they are in", { timeout: 60_000 }, async (t) => {
  const [ann, eve] = [await connect(t, person("ann")), await connect(t, person("eve"), { scope: "openid rts:services" })];
  const maker = await service(t);
  const caseId = person("case");
  const ask = { kind: "group", memberIds: [], caseId };
  const before = await eve.refusal("CreateRoom", ask);
  const { room } = await maker.call("CreateRoom", { ...ask, memberIds: [ann.user] });
  const after = await eve.refusal("CreateRoom", ask);
  assert.deepEqual([before.code, before.sentence], ["forbidden", after.sentence], "the answer does not tell whether there is one");
  assert.equal((await ann.call("CreateRoom", ask)).room.roomId, room.roomId);
  // Another service of the organization takes it over.
  const other = await service(t);
  const taken = (await other.call("CreateRoom", ask)).room;
  const roles = Object.fromEntries(taken.members.map(({ userId, role }) => [userId, role]));
  assert.deepEqual(roles, { [ann.user]: "member", [maker.user]: "member", [other.user]: "owner" });
  await ann.event(room.roomId, "RoomUpdated", ({ change }) => change === "roleChanged");
});

test("a person makes so many rooms a day, on all nodes together", { timeout: 60_000 }, async (t) => {
  const user = person("ann");
  const clients = [await cluster.connect(user, { node: 0 }), await cluster.connect(user, { node: 1 })];
  t.after(() => Promise.all(clients.map((client) => client.stop())));
  let made = 0;
  let refusal;
  while (!refusal && made < 40) {
    await clients[made % 2].call("CreateRoom", { kind: "group", memberIds: [] }).then(
      () => (made += 1),
      async (error) => {
        // A burst has its own limit, which is over soon.
        if (error.code !== "rateLimited" || error.retryAfterMs > 10_000) refusal = error;
        else await new Promise((resolve) => setTimeout(resolve, error.retryAfterMs));
      },
    );
  }
  assert.equal(made, 30);
  assert.equal(refusal.code, "rateLimited");
  assert.ok(refusal.retryAfterMs <= 86_400_000 && refusal.retryAfterMs > 0, refusal.sentence);
});

test("an operator ends a person's sessions on all nodes, and their old tokens begin no other", { timeout: 60_000 }, async (t) => {
  const user = person("ann");
  const token = cluster.token({ sub: user });
  const clients = [0, 1].map((node) => new ChatClient({ url: cluster.hubUrl(node), user, token: () => token, reconnect: [0, 0, 0] }));
  await Promise.all(clients.map((client) => client.start()));
  const bystander = await connect(t, person("bob"));
  const revoke = (body, headers = {}) =>
    send("POST", `${cluster.info.admins[0]}/revoke`, { headers: { "content-type": "application/json", ...headers }, body: JSON.stringify(body) });
  assert.equal((await revoke({ userId: user })).status, 400);
  assert.equal((await revoke({ userId: user, orgId: "acme" }, { origin: "http://127.0.0.1:9080" })).status, 403, "a web page");
  assert.ok(clients.every(({ connected }) => connected));
  assert.equal((await revoke({ userId: user, orgId: "acme" })).status, 202);
  for (const client of clients) {
    await until(() => client.closed, "it is closed");
    assert.match(String(client.closed.error), /Access was revoked/);
    assert.equal(client.reconnects, 0);
  }
  assert.ok(bystander.connected);
  const again = new ChatClient({ url: cluster.hubUrl(1), user, token: () => token });
  await again.start().catch(() => {});
  await until(() => !again.connected, "the old token begins no session");
  // The issuer gave a new one since.
  const later = Math.floor(Date.now() / 1000) + 2;
  const back = new ChatClient({ url: cluster.hubUrl(1), user, token: () => cluster.token({ sub: user, iat: later }) });
  t.after(() => back.stop());
  await back.start();
  assert.ok((await back.call("ListRooms", {})).rooms);
});

test("operators' changes and the development login are not for web pages or other machines", { timeout: 60_000 }, async () => {
  for (const headers of [{ origin: "http://evil.example" }, { origin: "null" }, { "x-forwarded-for": "203.0.113.9" }]) {
    assert.equal((await send("POST", `${cluster.info.admins[1]}/drain`, { headers })).status, 403, JSON.stringify(headers));
  }
  const body = JSON.stringify({ userId: "ann", orgId: "acme" });
  const login = (headers) => send("POST", `${cluster.info.balancer}/dev/token`, { headers: { "content-type": "application/json", ...headers }, body });
  const answer = await login({});
  assert.equal(answer.status, 200);
  assert.equal(answer.headers["cache-control"], "no-store");
  assert.match(answer.headers["strict-transport-security"], /max-age=\d{7,}/);
  for (const headers of [{ host: "evil.example:8080" }, { host: "evil.example:8080", origin: "http://evil.example:8080" }, { "x-forwarded-for": "203.0.113.9" }]) {
    const refused = await login(headers);
    assert.equal(refused.status, 403, JSON.stringify(headers));
    assert.ok(!refused.text.includes("token\""));
  }
});

test("a user's sockets without a handshake are counted, and end in time", { timeout: 60_000 }, async () => {
  const bearer = cluster.token({ sub: person("ann") });
  const sockets = Array.from({ length: 25 }, () => new WebSocket(cluster.hubUrl(0).replace("http", "ws"), { headers: { authorization: `Bearer ${bearer}` } }));
  const statuses = await Promise.all(sockets.map((socket) => new Promise((resolve) => {
    socket.once("open", () => resolve(101));
    socket.once("unexpected-response", (_, { statusCode }) => resolve(statusCode));
    socket.on("error", () => {});
  })));
  assert.deepEqual([101, 429].map((status) => statuses.filter((each) => each === status).length), [20, 5], statuses.join(" "));
  const ended = () => sockets.every(({ readyState }) => readyState === WebSocket.CLOSED || readyState === WebSocket.CONNECTING);
  await until(ended, "those without a handshake are closed", 25_000, 250);
});
