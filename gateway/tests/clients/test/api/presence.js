// SetPresence, WatchPresence and PresenceChanged, through the balancer on two nodes.

import assert from "node:assert/strict";
import { test } from "node:test";

import { cast, person } from "../../lib/cast.js";
import { pause, until } from "../../lib/wait.js";

const told = (client, user) =>
  client.notices.filter((notice) => notice.type === "PresenceChanged" && notice.userId === user).map(({ status }) => status);
const ISO = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;
/** Time for which a disconnected user still shows as online. */
const GRACE_MS = 5_000;

export function presence(shared) {
  test("a watcher gets the current status, then every change once", { timeout: 60_000 }, async (t) => {
    const [ann] = await cast(t, shared.cluster, "ann");
    const bob = person("bob");
    const never = person("never");
    assert.deepEqual(await ann.call("WatchPresence", { userIds: [bob, never, ann.user, bob] }), {
      users: [
        { userId: bob, status: "offline" },
        { userId: never, status: "offline" },
        { userId: ann.user, status: "online" },
      ],
    });
    const desk = await shared.cluster.connect(bob, { node: 0 });
    const phone = await shared.cluster.connect(bob, { node: 1, version: 5 });
    t.after(() => Promise.all([desk.stop(), phone.stop()]));
    await until(() => told(ann, bob).length === 1, "bob is online");
    assert.deepEqual(await desk.call("SetPresence", { status: "away" }), {});
    await phone.call("SetPresence", { status: "away" });
    await until(() => told(ann, bob).length === 2, "bob is away from both");
    await phone.call("SetPresence", { status: "online" });
    await until(() => told(ann, bob).length === 3, "bob is back");
    assert.deepEqual(told(ann, bob), ["online", "away", "online"]);
    await desk.stop();
    const left = Date.now();
    await phone.stop();
    await until(() => told(ann, bob).length === 4, "bob is gone", 15_000);
    assert.ok(Date.now() - left >= GRACE_MS - 1_000, "a grace for those who come back");
    const notice = ann.notices.findLast(({ userId }) => userId === bob);
    assert.deepEqual(Object.keys(notice).sort(), ["lastSeenAt", "status", "type", "userId"]);
    assert.match(notice.lastSeenAt, ISO);
    assert.ok(Math.abs(Date.parse(notice.lastSeenAt) - left) < 2_000, "last seen is when he left");
    const [again] = (await ann.call("WatchPresence", { userIds: [bob] })).users;
    assert.deepEqual(again, { userId: bob, status: "offline", lastSeenAt: notice.lastSeenAt });
    assert.deepEqual(told(ann, never), []);
  });

  test("a reconnect is invisible, on any node", { timeout: 60_000 }, async (t) => {
    const [ann] = await cast(t, shared.cluster, "ann");
    const user = person("bob");
    let bob = await shared.cluster.connect(user, { node: 0 });
    t.after(() => bob.stop());
    assert.equal((await ann.call("WatchPresence", { userIds: [user] })).users[0].status, "online");
    for (const node of [1, 0, 1]) {
      await bob.stop();
      bob = await shared.cluster.connect(user, { node });
    }
    await pause(GRACE_MS + 1_500);
    assert.deepEqual(told(ann, user), []);
  });

  test("a list replaces the previous one; an empty list ends watching; a user's devices may watch different users", async (t) => {
    const [ann] = await cast(t, shared.cluster, "ann");
    const annToo = await shared.cluster.connect(ann.user, { version: 5 });
    const [bob, cid] = [person("bob"), person("cid")];
    await ann.call("WatchPresence", { userIds: [bob] });
    await annToo.call("WatchPresence", { userIds: [bob, cid] });
    await ann.call("WatchPresence", { userIds: [cid] });
    const clients = [annToo, await shared.cluster.connect(bob), await shared.cluster.connect(cid)];
    t.after(() => Promise.all(clients.map((client) => client.stop())));
    await until(() => told(ann, cid).length && told(annToo, cid).length && told(annToo, bob).length, "both are online");
    assert.deepEqual(told(ann, bob), []);
    assert.deepEqual(await ann.call("WatchPresence", { userIds: [] }), { users: [] });
    await clients[2].call("SetPresence", { status: "away" });
    await until(() => told(annToo, cid).length === 2, "cid is away");
    assert.deepEqual(told(ann, cid), ["online"]);
  });

  test("users of other organizations look unknown", async (t) => {
    const [ann] = await cast(t, shared.cluster, "ann");
    const user = person("bob");
    const foreign = await shared.cluster.connect(user, { org: "other" });
    t.after(() => foreign.stop());
    const { users } = await ann.call("WatchPresence", { userIds: [user, "nobody"] });
    assert.deepEqual(users.map(({ status }) => status), ["offline", "offline"]);
    assert.ok(users.every((each) => !("lastSeenAt" in each)));
    await foreign.call("SetPresence", { status: "away" });
    await ann.call("WatchPresence", { userIds: [user] });
    assert.deepEqual(told(ann, user), []);
  });

  test("invalid requests are rejected", async (t) => {
    const [ann] = await cast(t, shared.cluster, "ann");
    for (const status of ["offline", "Online ", "", null, 1]) {
      assert.equal((await ann.refusal("SetPresence", { status })).code, "invalidArgument", String(status));
    }
    for (const userIds of [undefined, null, "bob", [1], { 0: "bob" }, [""], ["bob", ""], ["a\u0000b"], ["x".repeat(500)]]) {
      assert.equal((await ann.refusal("WatchPresence", { userIds })).code, "invalidArgument", String(userIds));
    }
    const many = (count) => Array.from({ length: count }, (_, number) => person(`many${number}`));
    assert.equal((await ann.refusal("WatchPresence", { userIds: many(201) })).code, "tooLarge");
    assert.equal((await ann.call("WatchPresence", { userIds: many(200) })).users.length, 200);
  });
}
