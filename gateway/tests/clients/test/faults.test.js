// Twenty clients send while something fails. Afterwards every message acked or seen is in history exactly once;
// no seq is used twice; clients resumed without a gap; DynamoDB matches history.

import assert from "node:assert/strict";
import { after, before, describe as suite, test } from "node:test";

import { describe } from "../lib/checker.js";
import { cast, makeGroup, person, send } from "../lib/cast.js";
import { Cluster } from "../lib/cluster.js";
import { Load } from "../lib/load.js";
import { until } from "../lib/wait.js";

const PATIENCE = { timeout: 300_000 };
/** Acks before the fault, and after it. */
const BEFORE = 200;
const AFTER = 250;

/** Lets all users talk, breaks something, repairs it, and judges the outcome. */
async function survive(t, cluster, { name, fault, resend, redisLost = false }) {
  const load = new Load(cluster, { name, resend });
  t.after(() => load.end());
  try {
    await load.start();
    load.talk();
    await load.moreAcked(BEFORE);
    await fault(load);
    await load.moreAcked(AFTER);
    await load.stop();
    const { violations } = await load.verdict({ redisLost });
    assert.equal(describe(violations), "");
    await until(async () => (await unstored(cluster)) === 0, "nothing is unstored any more", 30_000, 250);
  } finally {
    t.diagnostic(`${load.summary()}; ${await cluster.health()}`);
  }
  return load;
}

async function unstored(cluster) {
  const counts = await Promise.all([0, 1].map((node) => cluster.metric(node, "rts_unstored_messages")));
  return counts[0] + counts[1];
}

suite("with proxies", () => {
  let cluster;
  before(async () => (cluster = await Cluster.start(["--proxies", "--visibility-seconds", "5"])), { timeout: 180_000 });
  after(() => cluster?.stop());

  test("kill -9 of a gateway", PATIENCE, async (t) => {
    // A quarter of the users never retry unacked sends: messages of theirs that others saw have to stay all the same.
    const load = await survive(t, cluster, {
      name: "gateway",
      resend: (index) => index % 4 !== 0,
      fault: async (load) => {
        await cluster.command("kill gateway-1");
        await load.moreAcked(100);
        await cluster.command("start gateway-1");
      },
    });
    assert.ok(load.users.some(({ client }) => client.reconnects > 0));
  });

  test("a room found to exist is durable even if its creator's node died before journaling it", PATIENCE, async (t) => {
    const [ann, bob] = ["ann", "bob"].map(person);
    const dying = await cluster.connect(ann, { node: 0 });
    const living = await cluster.connect(bob, { node: 1 });
    t.after(() => living.stop());
    await cluster.command("proxy sqs-1 refuse");
    const made = dying.call("CreateRoom", { kind: "direct", memberIds: [bob] }).catch((error) => error);
    const { room } = await living.notice("RoomAdded");
    await cluster.command("kill gateway-1");
    assert.ok((await made) instanceof Error);
    const begun = Date.now();
    const found = await living.call("CreateRoom", { kind: "direct", memberIds: [ann] });
    assert.equal(found.room.roomId, room.roomId);
    // Long before a reconciler would check it.
    await until(async () => (await cluster.dynamo.room(room.roomId)).has("META"), "the room is stored", 12_000, 200);
    t.diagnostic(`stored after ${Date.now() - begun} ms`);
    await cluster.command("proxy sqs-1 pass");
    await cluster.command("start gateway-1");
  });

  test("a group whose owner left through a node that died has an owner, in DynamoDB as well", PATIENCE, async (t) => {
    const [ann, bob, cid] = ["ann", "bob", "cid"].map(person);
    const dying = await cluster.connect(ann, { node: 0 });
    const living = await cluster.connect(bob, { node: 1 });
    t.after(() => living.stop());
    const { room } = await dying.call("CreateRoom", { kind: "group", memberIds: [bob, cid] });
    const { roomId } = room;
    await cluster.command("proxy sqs-1 refuse");
    const left = dying.call("LeaveRoom", { roomId }).catch((error) => error);
    await living.event(roomId, "RoomUpdated", ({ change }) => change === "memberRemoved");
    await cluster.command("kill gateway-1");
    assert.ok((await left) instanceof Error);
    const change = await living.event(roomId, "RoomUpdated", (event) => event.change === "roleChanged");
    assert.deepEqual(change.room.members.map(({ userId, role }) => [userId, role]), [[bob, "owner"], [cid, "member"]]);
    const roles = async () => {
      const items = await cluster.dynamo.room(roomId);
      return [ann, bob, cid].map((user) => items.get(`MEMBER#${user}`)?.role);
    };
    await until(async () => `${await roles()}` === ",owner,member", "both memberships are stored", 60_000, 300);
    await cluster.command("proxy sqs-1 pass");
    await cluster.command("start gateway-1");
  });

  test("events published but not journaled by a gateway that died are stored within thirty seconds", PATIENCE, async (t) => {
    const [ann, bob] = ["ann", "bob"].map(person);
    const dying = await cluster.connect(ann, { node: 0 });
    const living = await cluster.connect(bob, { node: 1 });
    t.after(() => living.stop());
    const { room } = await dying.call("CreateRoom", { kind: "group", memberIds: [bob] });
    const { roomId } = room;
    await cluster.command("proxy sqs-1 refuse");
    const sent = [1, 2, 3].map((number) =>
      dying.call("SendMessage", { roomId, clientId: `c${number}`, body: `${number}` }).catch((error) => error),
    );
    const seen = await Promise.all(
      [1, 2, 3].map((number) => living.event(roomId, "MessageCreated", ({ message }) => message.body === `${number}`)),
    );
    await cluster.command("kill gateway-1");
    const begun = Date.now();
    for (const error of await Promise.all(sent)) assert.ok(error instanceof Error);
    const stored = async () => (await cluster.dynamo.messages(roomId)).map(({ seq }) => seq);
    const wanted = seen.map(({ seq }) => seq).sort((one, other) => one - other);
    await until(async () => `${await stored()}` === `${wanted}`, "all that was seen is stored", 30_000, 200);
    t.diagnostic(`stored after ${Date.now() - begun} ms`);
    await cluster.command("proxy sqs-1 pass");
    await cluster.command("start gateway-1");
  });

  test("SQS rejects requests for ten seconds", PATIENCE, async (t) => {
    await survive(t, cluster, {
      name: "sqs",
      fault: async () => {
        const begun = Date.now();
        for (const node of [1, 2]) await cluster.command(`proxy sqs-${node} refuse`);
        await until(() => Date.now() - begun >= 10_000, "ten seconds", 11_000, 100);
        for (const node of [1, 2]) await cluster.command(`proxy sqs-${node} pass`);
      },
    });
  });

  test("Redis is unreachable for a while, and returns with all its data", PATIENCE, async (t) => {
    await survive(t, cluster, {
      name: "cut",
      fault: async () => {
        const begun = Date.now();
        await cluster.command("proxy redis-1 refuse");
        await cluster.command("proxy redis-2 stall");
        await until(() => Date.now() - begun >= 5_000, "five seconds", 6_000, 100);
        for (const node of [1, 2]) await cluster.command(`proxy redis-${node} pass`);
      },
    });
  });

  test("Redis loses everything and restarts", PATIENCE, async (t) => {
    await survive(t, cluster, {
      name: "redis",
      redisLost: true,
      fault: async (load) => {
        // Twice: rooms are rebuilt under load, and lost again while their data is still on its way to DynamoDB.
        assert.equal(await cluster.redis("FLUSHALL"), "+OK");
        await load.moreAcked(30);
        assert.equal(await cluster.redis("FLUSHALL"), "+OK");
        await cluster.command("kill redis");
        await cluster.command("start redis");
      },
    });
  });
});

suite("storing behind", () => {
  let cluster;
  before(async () => (cluster = await Cluster.start(["--visibility-seconds", "5"])), { timeout: 180_000 });
  after(() => cluster?.stop());

  test("unread counts after a loss of Redis say that they are at least, until all is stored", PATIENCE, async (t) => {
    const [ann, bob] = await cast(t, cluster, "ann", "bob");
    const roomId = await makeGroup(ann, [bob]);
    const { seq } = await send(ann, roomId, "stored");
    await until(async () => (await cluster.dynamo.messages(roomId, [seq])).length === 1, "it is stored", 30_000, 250);
    await cluster.command("functions off");
    for (let number = 1; number <= 5; number += 1) await send(ann, roomId, `in the queue ${number}`);
    assert.equal(await cluster.redis("FLUSHALL"), "+OK");
    const again = await cluster.connect(bob.user);
    t.after(() => again.stop());
    const listed = async () => (await again.call("ListRooms", {})).rooms.find(({ room }) => room.roomId === roomId);
    const behind = await listed();
    assert.ok(behind.unread === 6 || (behind.unread < 6 && behind.unreadAtLeast), JSON.stringify(behind));
    await cluster.command("functions on");
    await until(async () => !(await listed()).unreadAtLeast, "storing has passed the loss", 90_000, 500);
    assert.equal((await listed()).unread, 6);
  });
});

for (const when of ["before", "after"]) {
  suite(`functions that fail every third time, ${when} their work`, () => {
    let cluster;
    const options = ["--fail-every", "3", "--fail-when", when, "--visibility-seconds", "3"];
    before(async () => (cluster = await Cluster.start(options)), { timeout: 180_000 });
    after(() => cluster?.stop());

    test("the Lambdas fail every third batch", PATIENCE, async (t) => {
      await survive(t, cluster, { name: `lambda-${when}`, fault: (load) => load.moreAcked(100) });
    });
  });
}
