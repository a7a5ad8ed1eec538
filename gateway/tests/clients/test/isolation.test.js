// Two organizations: one tries to reach everything of the other, by every method and every URL of the server's own lists,
// so that a new one cannot be forgotten here. Another organization's data has to look exactly like missing data.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, describe, test } from "node:test";

import { makeDirect, makeGroup, person, send } from "../lib/cast.js";
import { Cluster } from "../lib/cluster.js";
import { pause, until, within } from "../lib/wait.js";
import { CASES, upload } from "./isolation/cases.js";
import { send as request } from "../lib/wire/http.js";
import { upgrade } from "../lib/wire/hub.js";

const source = (path) => readFileSync(new URL(`../../../src/${path}`, import.meta.url), "utf8");
/** Read from the server's table: each method is a row `Name => file::function,`. */
const METHODS = [...source("hub/mod.rs").matchAll(/^ {8}(\w+) => \w+::\w+ \[\w+ \d+\],$/gm)].map(([, name]) => name);
/** Its routes for clients, literal or by the name of a constant. */
const ROUTES = [...source("http/router.rs").split("fn admin_router")[0].matchAll(/(?:route\(\s*|: &str = )"([^"]+)"/g)].map(
  ([, path]) => path,
);
/** The test of each URL below, or the reason why it exposes nobody's data. */
const URLS = {
  "/hubs/chat": "crossed below",
  "/hubs/chat/negotiate": "crossed below",
  "/livez": "tells of the node only",
  "/readyz": "tells of the node only",
  "/dev/token": "gives tokens of any organization to anyone, on development machines",
};
const EVENTS_MS = 2_000;

let cluster;
before(async () => (cluster = await Cluster.start()), { timeout: 180_000 });
after(() => cluster?.stop());

test("every method and every URL has a case", () => {
  assert.ok(METHODS.length >= 18 && new Set(METHODS).size === METHODS.length, METHODS.join(" "));
  assert.deepEqual(METHODS.filter((method) => !CASES[method]), [], "methods that nobody has crossed");
  assert.deepEqual(ROUTES.filter((route) => !URLS[route]), [], "URLs that nobody has crossed");
});

describe("two organizations", () => {
  const stage = {};
  const clients = [];
  const asked = [];
  after(() => Promise.all(clients.map((client) => client.stop().catch(() => {}))));

  before(async () => {
    const connect = async (user, org, name, version) => {
      const client = await cluster.connect(user, { org, name, version });
      client.org = org;
      clients.push(client);
      return client;
    };
    const [acme, other] = [person("acme"), person("other")];
    const ann = await connect(person("ann"), acme, "Secretname Ann");
    const bob = await connect(person("bob"), acme, "Secretname Bob", 5);
    const eve = await connect(person("eve"), other, "Eve");
    const kim = await connect(person("kim"), other, "Kim");
    // Another user with the same id.
    const ann2 = await connect(ann.user, other, "Other Ann");
    Object.assign(stage, { ann, bob, eve, kim, ann2, cid: person("cid"), caseId: person("case"), closedCase: person("closed") });
    const memberIds = [bob.user, stage.cid];
    stage.room = await makeGroup(ann, [bob], { name: "Secretroom", caseId: stage.caseId, memberIds });
    stage.direct = await makeDirect(ann, bob);
    stage.message = await send(ann, stage.room, "secretbody with words");
    stage.archived = await makeGroup(ann, [bob], { name: "Secretarchived", caseId: stage.closedCase });
    if (METHODS.includes("ArchiveRoom")) await ann.call("ArchiveRoom", { roomId: stage.archived });
    if (METHODS.includes("CreateUpload")) stage.file = await upload(ann, stage.room);
    stage.own = await makeGroup(eve, [kim], { name: "Ours" });
    stage.ownMessage = await send(eve, stage.own, "our own");
    stage.ownDirect = await makeDirect(eve, kim);
    stage.ann2Direct = await makeDirect(ann2, kim);
    stage.ann2Room = await makeGroup(ann2, [eve], { name: "Hers" });
    if (METHODS.includes("SearchUsers")) {
      const find = async () => (await ann.call("SearchUsers", { query: "secretname" })).users.length === 2;
      await until(find, "the directory knows them", 20_000, 250);
    }
    const stored = async () => (await cluster.dynamo.messages(stage.room)).some(({ seq }) => seq === stage.message.seq);
    await until(stored, "it is stored", 20_000, 100);
  }, { timeout: 90_000 });

  /** Strings that only the first organization knows. */
  const secrets = () => [
    stage.ann.org, stage.bob.user, stage.cid, stage.room, stage.direct, stage.archived, stage.caseId, stage.closedCase, `${stage.message.seq}`,
    "Secret", "secretbody", ...(stage.file ? [stage.file.attachmentId] : []),
  ];

  /** All data of the first organization that a method returns. */
  async function all() {
    const { ann, bob, room } = stage;
    const answers = [];
    for (const client of [ann, bob]) {
      answers.push(await client.call("ListRooms", {}), await client.call("GetRoom", { roomId: room }));
      if (METHODS.includes("ArchiveRoom")) answers.push(await client.call("ListRooms", { archived: true }));
      answers.push(await client.call("GetHistory", { roomId: room }));
    }
    return answers;
  }

  for (const method of METHODS.filter((name) => CASES[name])) {
    test(`${method}: another organization's data looks missing`, { timeout: 60_000 }, async () => {
      const before = await all();
      for (const caller of [stage.eve, stage.ann2]) {
        for (const [what, foreign, unknown] of CASES[method](stage, caller)) {
          const [one, other] = [await answer(caller, method, foreign), await answer(caller, method, unknown)];
          assert.equal(plain(one, foreign), plain(other, unknown), `${method} ${what}`);
          // Outsiders may see ids that they used themselves: they may have a case with the same id.
          asked.push(JSON.stringify(foreign));
          const leaked = secrets().filter((secret) => one.includes(secret) && !asked.some((each) => each.includes(secret)));
          assert.deepEqual(leaked, [], `${method} ${what} answers ${one}`);
        }
      }
      assert.deepEqual(await all(), before, "and nothing has changed");
    });
  }

  test("no event crosses, whatever happens", { timeout: 60_000 }, async () => {
    const { ann, bob, eve, kim, ann2, room } = stage;
    const outsiders = [eve, kim, ann2];
    if (METHODS.includes("WatchPresence")) {
      for (const client of outsiders) {
        const { users } = await client.call("WatchPresence", { userIds: [bob.user, person("nobody")] });
        assert.deepEqual(users.map(({ status }) => status), ["offline", "offline"]);
      }
    }
    for (const client of outsiders) client.rooms.clear();
    for (const client of outsiders) client.notices.length = 0;
    const { seq } = await send(ann, room, "secretbody again");
    const happen = {
      EditMessage: { roomId: room, seq, body: "secretbody edited" },
      React: { roomId: room, seq, emoji: "👍", on: true },
      MarkRead: { roomId: room, seq },
      SetTyping: { roomId: room, typing: true },
      SetPresence: { status: "away" },
      RenameRoom: { roomId: room, name: "Secretroom two" },
      CreateRoom: { kind: "group", memberIds: [bob.user, eve.user, kim.user], name: "Secretroom three" },
      DeleteMessage: { roomId: room, seq },
    };
    for (const [method, request] of Object.entries(happen)) if (METHODS.includes(method)) await ann.call(method, request);
    await bob.event(room, "MessageDeleted");
    await pause(EVENTS_MS);
    for (const client of outsiders) {
      const heard = [...client.rooms.values()].flat().concat(client.notices);
      assert.deepEqual(heard, [], `${client.user} hears`);
    }
  });

  test("URLs: a connection of another organization looks missing", { timeout: 60_000 }, async () => {
    const { ann, eve, ann2 } = stage;
    const claims = (client) => ({ sub: client.user, org: client.org });
    const token = (client) => cluster.token(claims(client));
    const negotiate = async (client) => {
      const answer = await request("POST", `${cluster.hubUrl(0)}/negotiate?negotiateVersion=1`, { token: token(client) });
      return JSON.parse(answer.text);
    };
    // Live: her long-polling connection after its handshake; and one that was only negotiated.
    const live = (await negotiate(ann)).connectionToken;
    const at = (node, id) => `${cluster.hubUrl(node)}?id=${id}`;
    assert.equal((await request("GET", at(0, live), { token: token(ann) })).status, 200);
    const idle = (await negotiate(ann)).connectionToken;
    const foreign = [live, idle];
    for (const thief of [eve, ann2]) {
      for (const node of [0, 1]) {
        for (const id of foreign) {
          const unknown = `${id.slice(0, 4)}${id.slice(4).replace(/./g, "A")}`;
          for (const [method, headers] of [
            ["GET", {}],
            ["GET", { accept: "text/event-stream" }],
            ["POST", { "content-type": "text/plain" }],
            ["DELETE", {}],
            ["PUT", {}],
          ]) {
            const options = { token: token(thief), headers, body: method === "POST" ? '{"type":6}\u001e' : undefined };
            const [one, other] = [await request(method, at(node, id), options), await request(method, at(node, unknown), options)];
            assert.deepEqual([one.status, one.text], [other.status, other.text], `${method} ${JSON.stringify(headers)}`);
            assert.ok(one.status >= 400);
          }
          const upgraded = async (each) => (await upgrade(at(node, each), { bearer: token(thief) })).status;
          assert.equal(await upgraded(id), await upgraded(unknown), "upgrade");
          assert.equal(await upgraded(id), 404);
        }
      }
    }
    // Her connection is unharmed.
    const sent = await request("POST", at(0, live), { token: token(ann), body: '{"protocol":"json","version":1}\u001e' });
    assert.equal(sent.status, 200);
    assert.equal((await request("GET", at(0, live), { token: token(ann) })).text, "{}\u001e");
  });
});

/** The result or the error of a call, as text. */
async function answer(client, method, payload) {
  try {
    if (method !== "StreamHistory") return JSON.stringify(await client.call(method, payload));
    const items = [];
    await within(new Promise((resolve, reject) => {
      client.connection.stream(method, payload).subscribe({ next: (item) => items.push(item), complete: resolve, error: reject });
    }), method);
    return JSON.stringify(items);
  } catch (error) {
    return `${error.message}`;
  }
}

/** Replaces the requested ids and everything that differs from call to call. */
function plain(text, asked) {
  const ids = [...JSON.stringify(asked).matchAll(/"([^"]{6,})"/g)].map(([, id]) => id).sort((one, other) => other.length - one.length);
  return ids
    .reduce((rest, id) => rest.replaceAll(id, "ID"), text)
    .replace(/\b[gdc]_[\w-]{22}/g, "ROOM")
    .replace(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, "TIME")
    .replace(/\b\d{16}\b/g, "SEQ")
    .replace(/"url":"[^"]*"/g, '"url":"URL"')
    .replace(/"(attachmentId|cursor)":"[^"]*"/g, '"$1":"…"')
    .replace(/"(x-amz-[\w-]+|[Xx]-[Aa]mz-[\w-]+)":"[^"]*"/g, '"$1":"…"');
}
