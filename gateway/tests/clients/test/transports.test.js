// Stock clients on the transports that are many requests, through a balancer that sends each request to the next
// node: no client has to come back to where it was.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { Cluster } from "../lib/cluster.js";
import { Ledger, essence } from "../lib/ledger.js";
import { CLIENTS, VERSIONS } from "../lib/signalr.js";
import { talk } from "../lib/talk.js";
import { until } from "../lib/wait.js";

const MESSAGES = 200;
const TOLD_WITHIN_MS = 2_000;
const NEVER = Number.MAX_SAFE_INTEGER;
const RECONNECT = [0, 100, 500, 1000, 2000];

let cluster;
before(async () => (cluster = await Cluster.start()), { timeout: 180_000 });
after(() => cluster?.stop());

const kinds = VERSIONS.flatMap((version) => ["ServerSentEvents", "LongPolling"].map((transport) => [version, transport]));

/** Waits until the balancer has noticed that both nodes are there: a token names the node that made it, behind 40 bytes. */
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

/** Two users of a direct room, on one kind of client and on different nodes. */
async function pair(names, version, transport, options) {
  const users = names.map((name) => `${name}-${transport}-${version}`);
  const code = CLIENTS.get(version).HttpTransportType[transport];
  await bothServe();
  const clients = await cluster.connectApart(users, [version, version], { transport: code, ...options });
  const { room } = await clients[0].call("CreateRoom", { kind: "direct", memberIds: [users[1]] });
  for (const client of clients) await client.notice("RoomAdded", (added) => added.room.roomId === room.roomId);
  return { clients, roomId: room.roomId };
}

for (const [version, transport] of kinds) {
  test(`${version}.0 by ${transport}: ${MESSAGES} messages both ways`, { timeout: 120_000 }, async () => {
    const { clients, roomId } = await pair(["ann", "bob"], version, transport);
    const ledger = new Ledger();
    await talk(ledger, roomId, clients, MESSAGES, { editEvery: NEVER, deleteEvery: NEVER });
    const due = ledger.messages(roomId);
    assert.equal(due.length, 2 * MESSAGES);
    for (const client of clients) {
      const heard = () => client.events(roomId);
      await until(() => heard().length >= due.length, () => `${client.user} heard ${heard().length}`, 20_000);
      assert.deepEqual(heard().map(({ message }) => essence(message)), due);
      assert.equal(client.closed, undefined);
      await client.stop();
    }
    const gone = async () => (await cluster.connections()).every((count) => count === 0);
    await until(gone, "both connections are gone", 10_000);
  });
}

for (const [version, transport] of kinds) {
  test(`${version}.0 by ${transport}: its node is killed`, { timeout: 120_000 }, async (t) => {
    const { clients, roomId } = await pair(["cat", "dan"], version, transport, { reconnect: RECONNECT });
    const [cat, dan] = clients;
    const told = [];
    for (const client of clients) client.listener = { onReconnecting: () => told.push(Date.now()) };
    const killed = Date.now();
    await cluster.command("kill gateway-1");
    t.after(() => cluster.command("start gateway-1"));
    await until(() => told.length > 0, "its client is told", 10_000);
    assert.ok(told[0] - killed <= TOLD_WITHIN_MS, `told after ${told[0] - killed} ms`);
    await until(() => clients.every(({ connected }) => connected), "it is back", 20_000);
    assert.equal(clients[0].reconnects + clients[1].reconnects, 1, "the other node's client noticed nothing");

    const clientId = `after-${version}-${transport}`;
    const { seq } = await cat.call("SendMessage", { roomId, clientId, body: "still there?" });
    const resumed = await dan.call("Resume", { rooms: [{ roomId, seq: 0 }] });
    const missed = resumed.rooms.flatMap(({ events }) => events);
    const heard = () => [...missed, ...dan.events(roomId)].some((event) => event.seq === seq);
    await until(heard, "the message after the reconnect", 10_000);
    for (const client of clients) await client.stop();
  });
}
