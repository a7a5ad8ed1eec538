// The examples, as a reader runs them, against a cluster of two nodes with the rules of production: members have connected once, and only services make
// the rooms of cases.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

import { Cluster } from "../lib/cluster.js";

const run = promisify(execFile);
const EXAMPLES = fileURLToPath(new URL("../../../../examples/", import.meta.url));
/** Beside node_modules, where the stock client is found. */
const HERE = fileURLToPath(new URL("../", import.meta.url));

let cluster;
const PRODUCTION = ["--env", "gateway:RTS_MEMBERS=directory", "--env", "gateway:RTS_CASES=service"];
before(async () => (cluster = await Cluster.start(PRODUCTION)), { timeout: 180_000 });
after(() => cluster?.stop());

const example = (program, args, more = {}) =>
  run(program, args, {
    env: { ...process.env, RTS_URL: cluster.info.balancer, RTS_URLS: cluster.info.gateways.join(","), PYTHONDONTWRITEBYTECODE: "1", ...more },
    timeout: 100_000,
  });

test("JavaScript: the README's client", { timeout: 60_000 }, async (t) => {
  const directory = await mkdtemp(join(HERE, "example-"));
  t.after(() => rm(directory, { recursive: true }));
  const source = await readFile(join(EXAMPLES, "javascript/chat.mjs"), "utf8");
  const readme = await readFile(join(EXAMPLES, "../README.md"), "utf8");
  assert.ok(readme.includes(source), "the README shows examples/javascript/chat.mjs");
  // The address is a constant of the text; here it is that of the cluster.
  await writeFile(join(directory, "chat.mjs"), source.replace("http://127.0.0.1:8080", cluster.info.balancer));
  const { stdout } = await example("node", [join(directory, "chat.mjs")]);
  assert.match(stdout, /bob sees \d+: 안녕 Bob/);
  assert.match(stdout, /1 message in history/);
});

test("Python: a raw WebSocket says a sentence", { timeout: 60_000 }, async () => {
  const { stdout } = await example("python3", [join(EXAMPLES, "python/raw.py")]);
  assert.match(stdout, /bob sees \d+ 안녕 Bob/);
});

test("Python: the raw client, made from the documents alone, passes conversations and resumes", { timeout: 120_000 }, async () => {
  const { stderr } = await example("python3", [join(EXAMPLES, "python/test_raw.py")]);
  assert.match(stderr, /Ran 8 tests[\s\S]*OK/);
});

test("a back end makes a case's room once, and posts once", { timeout: 60_000 }, async () => {
  const { secret, issuer, audience } = cluster.jwt;
  const members = await Promise.all(["ann-of-case", "bob-of-case"].map((user) => cluster.connect(user)));
  const names = { RTS_JWT_SECRET: secret, RTS_JWT_ISSUER: issuer, RTS_JWT_AUDIENCE: audience, MEMBERS: members.map(({ user }) => user).join() };
  const { stdout } = await example("python3", [join(EXAMPLES, "backend/case_room.py")], names);
  assert.match(stdout, /the room of case \w+ is c_/);
  await Promise.all(members.map((member) => member.notice("RoomAdded")));
  const refused = members[0].call("CreateRoom", { kind: "group", memberIds: ["bob-of-case"], caseId: "another" });
  await assert.rejects(refused, /forbidden/, "without the scope");
  await Promise.all(members.map((member) => member.stop()));
});

const hasJava = await run("javac", ["-version"]).then(() => true, () => false);
test("Java: a raw WebSocket with the JDK alone", { timeout: 100_000, skip: !hasJava && "no JDK here" }, async () => {
  const { stdout } = await example("java", [join(EXAMPLES, "java/Chat.java")]);
  assert.match(stdout, /sent \d{16}/);
});
