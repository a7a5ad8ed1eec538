// Nodes die without notice: their users are offline within the guaranteed time; those with another device, or who reconnect
// at once, never appear offline; and no absent user stays online. RTS_PRESENCE_ROUNDS sets the rounds; each kills another node.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { person } from "../lib/cast.js";
import { Cluster } from "../lib/cluster.js";
import { pause, until } from "../lib/wait.js";

const ROUNDS = Number(process.env.RTS_PRESENCE_ROUNDS ?? 2);
/** The guaranteed time. */
const OFFLINE_MS = 15_000;
const VICTIMS = 6;

let cluster;
before(async () => (cluster = await Cluster.start()), { timeout: 180_000 });
after(() => cluster?.stop());

/** The number of users with a connection in Redis. */
async function booked() {
  const reply = await cluster.redis(`EVAL "return #redis.call('KEYS','rts:*:connections')" 0`);
  return Number(reply.slice(1));
}

const told = (watcher, { user }) =>
  watcher.notices.filter((notice) => notice.type === "PresenceChanged" && notice.userId === user).map(({ status }) => status);

test(`kill -9 of a node, ${ROUNDS} times`, { timeout: 60_000 + ROUNDS * 60_000 }, async (t) => {
  const times = [];
  const clients = [];
  t.after(() => Promise.all(clients.map((client) => client.stop().catch(() => {}))));
  const connect = async (user, node) => {
    const client = await cluster.connect(user, { node });
    clients.push(client);
    return client;
  };
  for (let round = 0; round < ROUNDS; round += 1) {
    const [victim, survivor] = round % 2 ? [1, 0] : [0, 1];
    const dying = [];
    for (let number = 0; number < VICTIMS; number += 1) dying.push(await connect(person("dying"), victim));
    const twice = await connect(person("twice"), victim);
    await connect(twice.user, survivor);
    const back = await connect(person("back"), victim);
    const watcher = await connect(person("watcher"), survivor);
    const userIds = [...dying, twice, back].map(({ user }) => user);
    const { users } = await watcher.call("WatchPresence", { userIds });
    assert.ok(users.every(({ status }) => status === "online"));

    await cluster.command(`kill gateway-${victim + 1}`);
    const killed = Date.now();
    const returned = await connect(back.user, survivor);
    const offline = (client) => told(watcher, client).includes("offline");
    for (const client of dying) {
      await until(() => offline(client), `${client.user} is offline`, OFFLINE_MS, 5);
      times.push(Date.now() - killed);
      assert.deepEqual(told(watcher, client), ["offline"]);
    }
    // Long enough for a mistake to show.
    await pause(3_000);
    for (const client of [twice, back]) assert.deepEqual(told(watcher, client), []);
    const statuses = (await watcher.call("WatchPresence", { userIds })).users.map(({ status }) => status);
    assert.deepEqual(statuses, [...dying.map(() => "offline"), "online", "online"]);
    // On the survivor: twice, back, watcher.
    assert.equal(await booked(), 3, "nobody is in the books who is not there");
    await cluster.command(`start gateway-${victim + 1}`);
    assert.deepEqual((await watcher.call("WatchPresence", { userIds })).users.map(({ status }) => status), statuses);
    assert.ok(returned.connected);
    await Promise.all(clients.splice(0).map((client) => client.stop().catch(() => {})));
    await until(async () => (await booked()) === 0, "everybody is gone from the books", OFFLINE_MS, 100);
  }
  times.sort((one, other) => one - other);
  const median = times[Math.floor(times.length / 2)];
  t.diagnostic(`${ROUNDS} nodes killed, ${times.length} people: offline after ${median} ms (median), ${times.at(-1)} ms (most)`);
});
