// Every stock client, protocol and transport, through a balancer that sends each request to the next node: no client has
// to return to the same one. A table of the passed cases of each is printed at the end.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { person } from "../lib/cast.js";
import { check, describe as inWords } from "../lib/checker.js";
import { Cluster } from "../lib/cluster.js";
import { Ledger, essence } from "../lib/ledger.js";
import { BOTH_WAYS, KINDS, nameOf, table } from "../lib/matrix.js";
import { PythonClient, ensurePython } from "../lib/python.js";
import { ResilientClient, historyOf } from "../lib/resilient-client.js";
import { CLIENTS } from "../lib/signalr.js";
import { talk } from "../lib/talk.js";
import { until } from "../lib/wait.js";

const TOLD_WITHIN_MS = 2_000;
const NEVER = Number.MAX_SAFE_INTEGER;
/** Pairs that talk concurrently. */
const AT_ONCE = 4;
const BEFORE_THE_FAULT = 10;
const AFTER_THE_FAULT = 10;
const PATIENCE = { timeout: 120_000 };

/** Above the default rate limit: the matrix is about transports. */
const OPTIONS = ["--env", "gateway:RTS_LIMIT_SEND_RATE=2000", "--env", "gateway:RTS_LIMIT_SEND_BURST=2000"];

let cluster;
before(async () => (cluster = await Cluster.start(OPTIONS)), { timeout: 180_000 });
after(() => cluster?.stop());

const results = new Map();
/** Declares a case of a kind, and counts it if it passes. */
function kindCase(kind, name, run) {
  results.set(nameOf(kind), { kind, passed: 0 });
  test(`${nameOf(kind)}: ${name}`, PATIENCE, async (t) => {
    await run(t);
    results.get(nameOf(kind)).passed += 1;
  });
}
const passed = (kind) => (results.get(nameOf(kind)).passed += 1);

const options = ({ version, protocol, transport }) => ({
  version,
  protocol,
  transport: CLIENTS.get(version).HttpTransportType[transport],
});

/** Two users of a direct room, with one kind of client and on different nodes. */
async function pair(kind) {
  const users = ["ann", "bob"].map((name) => person(`${name}-${kind.version}`));
  await bothServe();
  const clients = await cluster.connectApart(users, [kind.version, kind.version], options(kind));
  return { clients, roomId: await direct(clients) };
}

async function direct(clients) {
  const { room } = await clients[0].call("CreateRoom", { kind: "direct", memberIds: [clients[1].user] });
  for (const client of clients) await client.notice("RoomAdded", (added) => added.room.roomId === room.roomId);
  return room.roomId;
}

/** Waits until the balancer uses both nodes: a token names the node that issued it, after 40 bytes. */
async function bothServe() {
  const headers = { authorization: `Bearer ${cluster.token({ sub: "nobody" })}` };
  const seen = new Set();
  const both = async () => {
    const response = await fetch(`${cluster.hubUrl()}/negotiate?negotiateVersion=1`, { method: "POST", headers });
    const { connectionToken } = await response.json();
    seen.add(Buffer.from(connectionToken.split(".")[1], "base64url").subarray(40).toString());
    return seen.size === 2;
  };
  await until(both, "the balancer sends requests to both nodes");
}

/** Checks that everyone received all acked messages, in one order, and that no connection closed. */
async function checkTalk(ledger, roomId, clients, count) {
  const due = ledger.messages(roomId);
  assert.equal(due.length, count);
  for (const client of clients) {
    const heard = () => client.events(roomId);
    await until(() => heard().length >= due.length, () => `${client.user} heard ${heard().length} of ${due.length}`, 30_000);
    assert.deepEqual(heard().map(({ message }) => essence(message)), due);
    assert.equal(client.closed, undefined);
  }
}

describe("both ways", () => {
  const pairs = new Map();
  // One after the other, because the counts of connections show the node of each client.
  before(async () => {
    for (const kind of KINDS) pairs.set(kind, await pair(kind));
  }, PATIENCE);
  after(() => Promise.all([...pairs.values()].flatMap(({ clients }) => clients.map((client) => client.stop()))));

  describe("through the balancer, on two nodes", { concurrency: AT_ONCE }, () => {
    for (const kind of KINDS) {
      kindCase(kind, `${BOTH_WAYS} messages both ways, in order, without an error`, async () => {
        const { clients, roomId } = pairs.get(kind);
        const ledger = new Ledger();
        await talk(ledger, roomId, clients, BOTH_WAYS, { editEvery: NEVER, deleteEvery: NEVER });
        await checkTalk(ledger, roomId, clients, 2 * BOTH_WAYS);
      });

      kindCase(kind, "a failed call rejects with the server's text, an unknown method with that of the reference server", async () => {
        const [client] = pairs.get(kind).clients;
        const refused = await client.refusal("GetRoom", { roomId: "nobody's" });
        assert.deepEqual([refused.code, refused.sentence.length > 0], ["notFound", true]);
        assert.match((await client.refusal("Nothing", {})).message, /HubException: notFound: Method does not exist\.$/);
        assert.equal(client.connected, true);
      });
    }
  });
});

test("a node is killed: each of its clients notices within 2 s, reconnects, and resumes without a gap", { timeout: 180_000 }, async (t) => {
  const people = [];
  t.after(async () => {
    await cluster.command("start gateway-1").catch(() => {});
    await Promise.allSettled(people.map((user) => user.stop()));
  });
  const pairs = [];
  for (const kind of KINDS) pairs.push(await resilientPair(kind, people));
  await Promise.all(pairs.map(({ users, roomId }) => say(users, roomId, BEFORE_THE_FAULT)));

  const killed = Date.now();
  await cluster.command("kill gateway-1");
  const told = () => pairs.filter(({ told: moments }) => moments.length > 0);
  await until(() => told().length === pairs.length, () => `told were ${told().map(({ kind }) => nameOf(kind))}`, 10_000);
  // Those who are disconnected have to resume these messages.
  await Promise.all(pairs.map(({ users, roomId }) => say(users, roomId, AFTER_THE_FAULT)));
  for (const { kind, users, roomId, told: moments } of pairs) {
    await t.test(nameOf(kind), PATIENCE, async () => {
      assert.equal(moments.length, 1, "the other node's client noticed nothing");
      assert.ok(moments[0] - killed <= TOLD_WITHIN_MS, `told after ${moments[0] - killed} ms`);
      await settled(users, roomId);
      const history = { [roomId]: await historyOf(users[0].client, roomId) };
      assert.equal(history[roomId].length, 2 * (BEFORE_THE_FAULT + AFTER_THE_FAULT));
      const clients = users.map((user) => user.recording());
      const acked = users.flatMap((user) => user.acked);
      assert.equal(inWords(check({ acked, changes: [], clients, lists: [], history, stored: {} })), "");
      passed(kind);
    });
  }
});

/** Two users on different nodes who reconnect and resume; `told` records when either lost its connection. */
async function resilientPair(kind, people) {
  const told = [];
  for (let attempt = 0; attempt < 40; attempt += 1) {
    await bothServe();
    const before = await cluster.connections();
    const users = [];
    for (const name of ["cat", "dan"]) {
      await cluster.shuffle();
      const user = person(`${name}-${kind.version}`);
      const token = () => cluster.token({ sub: user });
      users.push(await new ResilientClient({ url: cluster.hubUrl(), user, token, ...options(kind) }).start());
    }
    const risen = (await cluster.connections()).map((count, node) => count - before[node]);
    if (risen.every((count) => count === 1)) {
      const roomId = await direct(users.map(({ client }) => client));
      for (const user of users) {
        user.follow(roomId, 0);
        user.client.connection.onreconnecting(() => told.push(Date.now()));
        people.push(user);
      }
      return { kind, users, roomId, told };
    }
    await Promise.all(users.map((user) => user.stop()));
    const gone = async () => (await cluster.connections()).every((count, node) => count === before[node]);
    await until(gone, "both are gone");
  }
  throw new Error("the balancer puts everyone on one node");
}

async function say(users, roomId, count) {
  const speak = async (user) => {
    for (let number = 0; number < count; number += 1) await user.send(roomId, `${user.name} ${number}`);
  };
  await Promise.all(users.map(speak));
}

async function settled(users, roomId) {
  const { room } = await users[0].client.call("GetRoom", { roomId });
  const heads = new Map([[roomId, room.headSeq]]);
  await until(() => users.every((user) => user.isAt(heads)), "everyone heard everything", 40_000, 50);
}

describe("Python", () => {
  before(ensurePython);
  for (const kind of PythonClient.KINDS) {
    kindCase(kind, `${BOTH_WAYS} messages both ways with a stock JavaScript client, and its errors arrive`, async (t) => {
      const [python, other] = [person("python"), await cluster.connect(person("other"))];
      t.after(() => other.stop());
      const { room } = await other.call("CreateRoom", { kind: "direct", memberIds: [python] });
      const ledger = new Ledger();
      const client = await PythonClient.start(kind, {
        url: cluster.hubUrl(),
        token: cluster.token({ sub: python }),
        roomId: room.roomId,
        send: BOTH_WAYS,
        hear: 2 * BOTH_WAYS,
      });
      t.after(() => client.kill());
      await talk(ledger, room.roomId, [other], BOTH_WAYS, { editEvery: NEVER, deleteEvery: NEVER });
      const { acks, heard, errors } = await client.result();
      for (const { clientId, body, seq } of acks) ledger.sent(room.roomId, python, clientId, body, { seq });
      await checkTalk(ledger, room.roomId, [other], 2 * BOTH_WAYS);
      assert.deepEqual(heard, ledger.messages(room.roomId).map(({ seq, body }) => [seq, body]));
      assert.equal(errors.length, 2, JSON.stringify(errors));
      assert.match(errors[0], /^An unexpected error occurred invoking 'GetRoom' on the server\. HubException: notFound: /);
      assert.match(errors[1], /HubException: notFound: Method does not exist\.$/);
    });
  }
});

after(() => console.log(`\n${table([...results.values()])}\n`));
