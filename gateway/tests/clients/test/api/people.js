// SearchUsers: the organization's directory, filled as users connect.

import assert from "node:assert/strict";
import { test } from "node:test";

import { person } from "../../lib/cast.js";
import { pause, until } from "../../lib/wait.js";

/** Connects named users in a new organization. */
async function staff(t, shared, org, names) {
  const clients = [];
  t.after(() => Promise.all(clients.map((client) => client.stop())));
  for (const [index, name] of names.entries()) {
    clients.push(await shared.cluster.connect(person(`p${index}`), { org, name, version: index % 2 ? 5 : 10 }));
  }
  return clients;
}

const names = ({ users }) => users.map(({ displayName }) => displayName);

async function finds(client, request, expected) {
  let found;
  await until(async () => {
    found = names(await client.call("SearchUsers", request));
    return JSON.stringify(found) === JSON.stringify(expected);
  }, () => `${JSON.stringify(request)} finds ${JSON.stringify(found)}, not ${JSON.stringify(expected)}`, 20_000, 250);
}

export function people(shared) {
  test("users are found by a prefix of a word of their name, or of their id", { timeout: 90_000 }, async (t) => {
    const org = person("org");
    const all = ["Ann Lee", "Annabel O'Hara", "José Kim", "김민수", "김 정훈", "Zoe Annan"];
    const [ann, ...others] = await staff(t, shared, org, all);
    await finds(ann, {}, ["Ann Lee", "Annabel O'Hara", "José Kim", "Zoe Annan", "김 정훈", "김민수"]);
    for (const [query, expected] of [
      ["ann", ["Ann Lee", "Annabel O'Hara", "Zoe Annan"]],
      ["ANN ", ["Ann Lee", "Annabel O'Hara", "Zoe Annan"]],
      ["lee", ["Ann Lee"]],
      ["hara", ["Annabel O'Hara"]],
      ["jose", ["José Kim"]],
      ["김", ["김 정훈", "김민수"]],
      ["기", ["김 정훈", "김민수"]],
      ["ㄱ", ["김 정훈", "김민수"]],
      ["김미", ["김민수"]],
      ["정후", ["김 정훈"]],
      ["\u1100\u1175\u11b7\u1106", ["김민수"]],
      ["nn", []],
      ["%", []],
      ["NAME#", []],
      [others[2].user.toUpperCase(), ["김민수"]],
    ]) {
      assert.deepEqual(names(await ann.call("SearchUsers", { query })), expected, query);
    }
    const { users } = await ann.call("SearchUsers", { query: "zoe" });
    const zoe = others.at(-1);
    assert.deepEqual(users, [{ userId: zoe.user, displayName: "Zoe Annan", status: "online" }]);
    await zoe.call("SetPresence", { status: "away" });
    assert.equal((await ann.call("SearchUsers", { query: "zoe" })).users[0].status, "away");
  });

  test("a changed name reaches open pages, old rooms, and the directory", { timeout: 90_000 }, async (t) => {
    const org = person("org");
    const [ann, bob] = await staff(t, shared, org, ["Ann Lee", "Bob"]);
    await finds(ann, { query: "bob" }, ["Bob"]);
    const { room } = await ann.call("CreateRoom", { kind: "group", memberIds: [bob.user] });
    const shown = async (roomId = room.roomId) => {
      const { members } = (await ann.call("GetRoom", { roomId })).room;
      return members.find(({ userId }) => userId === bob.user).displayName;
    };
    assert.equal(await shown(), "Bob");
    const again = await shared.cluster.connect(bob.user, { org, name: "Robert" });
    t.after(() => again.stop());
    const { displayName } = await ann.notice("PersonChanged", ({ userId }) => userId === bob.user);
    assert.equal(displayName, "Robert");
    assert.equal(await shown(), "Robert");
    await finds(ann, { query: "rob" }, ["Robert"]);
    await finds(ann, { query: "bob" }, []);
  });

  test("a name is right in rooms that are made in the moment of the first connection", { timeout: 90_000 }, async (t) => {
    const org = person("org");
    const [ann] = await staff(t, shared, org, ["Ann Lee"]);
    for (let time = 0; time < 20; time += 1) {
      const newcomer = person("new");
      // Before, during, and after the connection begins.
      const rooms = [];
      const makeRoom = () => rooms.push(ann.call("CreateRoom", { kind: "group", memberIds: [newcomer] }));
      makeRoom();
      const connecting = shared.cluster.connect(newcomer, { org, name: "New Comer" });
      for (let turn = 0; turn < 5; turn += 1) {
        makeRoom();
        await pause(turn);
      }
      const client = await connecting;
      const after = await ann.call("CreateRoom", { kind: "group", memberIds: [newcomer] });
      const nameIn = ({ room }) => room.members.find(({ userId }) => userId === newcomer).displayName;
      assert.equal(nameIn(after), "New Comer");
      for (const { room } of await Promise.all(rooms)) {
        const isRight = async () => nameIn(await ann.call("GetRoom", { roomId: room.roomId })) === "New Comer";
        await until(isRight, "the name is right", 10_000, 20);
      }
      await client.stop();
    }
  });

  test("pages have no gaps and no duplicates, and a cursor is valid for its query only", { timeout: 90_000 }, async (t) => {
    const org = person("org");
    const all = Array.from({ length: 9 }, (_, index) => `Kim ${index} Kimberly`);
    const [first] = await staff(t, shared, org, all);
    await finds(first, {}, all);
    const pages = [];
    let cursor;
    do {
      const page = await first.call("SearchUsers", { query: "kim", limit: 4, cursor });
      pages.push(names(page));
      cursor = page.cursor;
      if (pages.length === 1) {
        for (const bad of [{ query: "ki", cursor }, { cursor }, { query: "kim", cursor: `${cursor}x` }, { query: "kim", cursor: "" }]) {
          assert.equal((await first.refusal("SearchUsers", bad)).code, "invalidArgument");
        }
      }
    } while (cursor);
    assert.deepEqual(pages.map(({ length }) => length), [4, 4, 1]);
    assert.deepEqual(pages.flat(), all);
    assert.equal("cursor" in (await first.call("SearchUsers", { query: "kim", limit: 9 })), false);
    assert.equal((await first.call("SearchUsers", { query: "kim", limit: 100_000 })).users.length, 9);
    for (const limit of [0, -1]) assert.equal((await first.refusal("SearchUsers", { limit })).code, "invalidArgument");
    assert.equal((await first.refusal("SearchUsers", { query: "x".repeat(121) })).code, "tooLarge");
    assert.equal((await first.refusal("SearchUsers", { query: 1 })).code, "invalidArgument");
  });

  test("a new name replaces the old one; an unchanged name writes nothing", { timeout: 90_000 }, async (t) => {
    const org = person("org");
    const [ann] = await staff(t, shared, org, ["Ann"]);
    const user = person("renamed");
    const connect = async (name) => (await shared.cluster.connect(user, { org, name })).stop();
    await connect("Before Wedding");
    await finds(ann, { query: "before" }, ["Before Wedding"]);
    await connect("After Wedding");
    await finds(ann, { query: "after" }, ["After Wedding"]);
    assert.deepEqual(names(await ann.call("SearchUsers", { query: "before" })), []);
    assert.deepEqual(names(await ann.call("SearchUsers", { query: "wed" })), ["After Wedding"]);
    const directory = () => shared.cluster.dynamo.room(`ORG#${org}`);
    await until(async () => ![...(await directory()).keys()].some((key) => key.startsWith("NAME#before")), "its texts are removed");
    const before = [...(await directory()).values()];
    await connect("After Wedding");
    await connect("Another Name");
    await finds(ann, { query: "another" }, ["Another Name"]);
    await connect("After Wedding");
    await finds(ann, { query: "after" }, ["After Wedding"]);
    const after = await directory();
    assert.deepEqual([...after.keys()].sort(), before.map(({ sk }) => sk).sort());
    assert.ok(after.get(`USER#${user}`).version > before.find(({ sk }) => sk === `USER#${user}`).version);
  });

  test("users of another organization are never found", { timeout: 60_000 }, async (t) => {
    const [one, other] = [person("org"), person("org")];
    const [ann] = await staff(t, shared, one, ["Ann Same"]);
    const [eve] = await staff(t, shared, other, ["Eve Same"]);
    await finds(ann, { query: "same" }, ["Ann Same"]);
    await finds(eve, { query: "same" }, ["Eve Same"]);
    assert.deepEqual(names(await eve.call("SearchUsers", { query: ann.user })), []);
    assert.deepEqual(await eve.call("SearchUsers", { query: "ann" }), { users: [] });
  });
}
