// Stateful reconnect and streams with the stock client: its socket breaks along the way, invisibly to the app.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { ChatClient } from "../lib/chat-client.js";
import { Cluster } from "../lib/cluster.js";
import { Proxy } from "../lib/proxy.js";
import { CLIENTS } from "../lib/signalr.js";
import { pause, until, within } from "../lib/wait.js";

const MESSAGES = 200;
const DROPS = 5;

let cluster;
before(async () => (cluster = await Cluster.start()), { timeout: 180_000 });
/** Connections left open by a failed test, which would keep this process alive. */
const opened = [];
after(async () => {
  await Promise.allSettled(opened.map(({ client }) => client.stop()));
  for (const { proxy } of opened) proxy.stop();
  await cluster?.stop();
});

/** A stock client with stateful reconnect, through a proxy to the first node. */
async function stateful(user, { version = 10, protocol } = {}) {
  const proxy = await Proxy.to(cluster.info.gateways[0]);
  const url = `${proxy.url}/hubs/chat`;
  const client = new ChatClient({ url, user, token: () => cluster.token({ sub: user }), version, protocol, stateful: true });
  opened.push({ client, proxy });
  await client.start();
  return { client, proxy };
}

async function room(client, other) {
  const { room: made } = await client.call("CreateRoom", { kind: "direct", memberIds: [other.user] });
  for (const each of [client, other]) await each.notice("RoomAdded", (added) => added.room.roomId === made.roomId);
  return made.roomId;
}

const send = (client, roomId, number) =>
  client.call("SendMessage", { roomId, clientId: `${client.user}-${number}`, body: `${client.user} ${number}` });

const PLACES = [
  ["the same node", [0]],
  ["the other node", [1]],
  ["either node in turn", [1, 0]],
];
const KINDS = [[10, "json"], [10, "messagepack"], [8, "json"]];

for (const [version, protocol] of KINDS) {
  for (const [where, nodes] of PLACES) {
    test(`${version}.0 ${protocol} reconnects through ${where}: ${MESSAGES} messages both ways`, { timeout: 120_000 }, async () => {
      const name = `${version}-${protocol}-${nodes.join("")}`;
      const { client, proxy } = await stateful(`ann-${name}`, { version, protocol });
      const other = await cluster.connect(`bob-${name}`, { node: 1 });
      const roomId = await room(client, other);
      const connectionId = client.connection.connectionId;
      const talk = async (from) => {
        const sent = [];
        for (let number = 0; number < MESSAGES; number += 1) {
          sent.push(send(from, roomId, number));
          await pause(60); // within a user's rate limit
        }
        return Promise.all(sent);
      };
      const drops = async () => {
        for (let drop = 0; drop < DROPS; drop += 1) {
          await pause(1_700);
          proxy.target = cluster.info.gateways[nodes[drop % nodes.length]];
          proxy.drop();
        }
      };
      const [answers] = await Promise.all([talk(client), talk(other), drops()]);
      assert.equal(answers.filter(({ duplicate }) => duplicate).length, 0, "no call was made twice");
      for (const each of [client, other]) {
        const heard = () => each.events(roomId);
        await until(() => heard().length >= 2 * MESSAGES, () => `${each.user} heard ${heard().length}`, 20_000);
        const bodies = heard().map(({ message }) => message.body);
        assert.equal(new Set(bodies).size, 2 * MESSAGES, "none twice");
        assert.equal(bodies.length, 2 * MESSAGES);
        const seqs = heard().map(({ seq }) => seq);
        assert.deepEqual(seqs, seqs.toSorted((one, two) => one - two));
      }
      assert.equal(client.closed, undefined);
      assert.equal(client.reconnects, 0, "nothing surfaces in the app");
      assert.equal(client.connection.connectionId, connectionId);
      await client.stop();
      await other.stop();
      const gone = async () => (await cluster.connections()).every((count) => count === 0);
      await until(gone, "both connections are gone", 10_000);
      // Not earlier: a Close record cut off by the proxy is a lost socket, whose return the node waits for.
      proxy.stop();
    });
  }
}

test("calls in progress when the socket breaks are answered", { timeout: 60_000 }, async () => {
  const { client, proxy } = await stateful("cat");
  const other = await cluster.connect("dan", { node: 1 });
  const roomId = await room(client, other);
  const calls = Array.from({ length: 20 }, (_, number) => send(client, roomId, number));
  proxy.target = cluster.info.gateways[1];
  proxy.drop();
  const seqs = (await Promise.all(calls)).map(({ seq }) => seq);
  assert.deepEqual(seqs, seqs.toSorted((one, two) => one - two));
  await until(() => other.events(roomId).length === 20, "all arrived once");
  await client.stop();
  await other.stop();
  proxy.stop();
});

test("when its node is killed the client notices within 2 s, even through the other node", { timeout: 60_000 }, async (t) => {
  const { client, proxy } = await stateful("eve");
  proxy.target = cluster.info.gateways[1];
  proxy.drop();
  await client.call("ListRooms", { limit: 1 });
  const closed = new Promise((resolve) => client.connection.onclose(resolve));
  const killed = Date.now();
  await cluster.command("kill gateway-1");
  t.after(() => cluster.command("start gateway-1"));
  await within(closed, "the client is told", 10_000);
  assert.ok(Date.now() - killed <= 2_000, `told after ${Date.now() - killed} ms`);
  proxy.stop();
});

test("a stream exports a room, and a cancelled one stops", { timeout: 60_000 }, async () => {
  const [ann, bob] = [await cluster.connect("fay", { node: 1 }), await cluster.connect("gil", { node: 1 })];
  const roomId = await room(ann, bob);
  const sent = [];
  for (let number = 0; number < 120; number += 1) {
    sent.push(await send(number % 2 ? bob : ann, roomId, number));
    await pause(60); // within a user's rate limit
  }
  await ann.call("DeleteMessage", { roomId, seq: sent[2].seq });
  const stream = (client, request) =>
    new Promise((resolve, reject) => {
      const items = [];
      const next = (item) => items.push(item);
      client.connection.stream("StreamHistory", request).subscribe({ next, complete: () => resolve(items), error: reject });
    });
  const all = await stream(bob, { roomId });
  assert.deepEqual(all.map(({ seq }) => seq), sent.map(({ seq }) => seq));
  assert.ok(all[2].deleted && all[2].body === "", "a tombstone, without its body");
  assert.equal(all[3].body, "gil 3");
  const part = await stream(bob, { roomId, from: sent[50].seq, to: sent[60].seq });
  assert.deepEqual(part.map(({ seq }) => seq), sent.slice(50, 61).map(({ seq }) => seq));
  assert.deepEqual(await stream(bob, { roomId, from: 0, to: sent[0].seq - 1 }), []);
  for (const [request, code] of [[{ roomId: "nothing" }, "notFound"], [{ roomId, from: "x" }, "invalidArgument"], [{}, "invalidArgument"]]) {
    await assert.rejects(stream(bob, request), new RegExp(`HubException: ${code}: `));
  }
  const stranger = await cluster.connect("hal", { node: 0 });
  await assert.rejects(stream(stranger, { roomId }), /HubException: notFound: /);
  await assert.rejects(ann.connection.invoke("StreamHistory", { roomId }), /streaming 'StreamHistory' method with a non-streaming/);
  const first = await new Promise((resolve) => {
    const subscription = ann.connection.stream("StreamHistory", { roomId }).subscribe({
      next: (item) => (subscription.dispose(), resolve(item)),
      complete: () => {},
      error: () => {},
    });
  });
  assert.equal(first.seq, sent[0].seq);
  await ann.call("ListRooms", { limit: 1 });
  for (const client of [ann, bob, stranger]) await client.stop();
});
