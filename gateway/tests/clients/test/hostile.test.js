// Users who do the worst that they can, on a cluster with the documented budgets: by every method of the server's own
// table, so that a new one cannot be forgotten, and by the attacks that once worked. While they do, nobody else suffers.
// Bounds are ratios within one run.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, describe, test } from "node:test";

import WebSocket from "ws";

import { makeGroup, person, send } from "../lib/cast.js";
import { Cluster } from "../lib/cluster.js";
import { pause, within } from "../lib/wait.js";
import { REQUESTS, UNKNOWN_ROOM, elsewhere, largest, unknown } from "./hostile/cases.js";

const file = (path) => readFileSync(new URL(`../../../../${path}`, import.meta.url), "utf8");
/** Each method's budget and weight, from the server's table: `Name => file::function [Budget weight],`. */
const METHODS = [...file("gateway/src/hub/mod.rs").matchAll(/^ {8}(\w+) => \w+::\w+ \[(\w+) (\d+)\],$/gm)].map(
  ([, name, budget, weight]) => ({ name, budget, weight: Number(weight) }),
);
const STREAMS = ["StreamHistory"];
/** The schemas of all requests. */
const REFERENCE = JSON.parse(file("docs/api/schema.json"));
/** The documented defaults of all budgets' variables. */
const DEFAULTS = new Map([...file("docs/configuration.md").matchAll(/^\| `(RTS_LIMIT_\w+_(?:RATE|BURST))` \| `(\d+)` \|/gm)].map(([, name, value]) => [name, Number(value)]));
/** Smaller than documented, so that a flood reaches them in a second. */
const SMALLER = { RTS_LIMIT_READ_BURST: 400, RTS_LIMIT_FILE_BURST: 80 };
/** The variables' names of a budget: `RoomChanges` is `ROOM_CHANGE`. */
const WORDS = { Messages: "SEND", Marks: "MARK", Reads: "READ", Rooms: "ROOM", RoomChanges: "ROOM_CHANGE", Members: "MEMBER", Uploads: "UPLOAD", Files: "FILE", Searches: "SEARCH", People: "PEOPLE" };
const limit = (budget, which) => {
  const name = `RTS_LIMIT_${WORDS[budget]}_${which}`;
  return SMALLER[name] ?? DEFAULTS.get(name);
};

const CODES = new Set("invalidArgument notFound forbidden tooLarge rateLimited archived conflict unavailable".split(" "));
/** What a user on two nodes may take of a budget, in budgets. */
const SPREAD = 1.3;
const ANSWER_BYTES = 1.2 * 1024 * 1024;
/** Calls of one connection that are under way at once; the server takes 32. */
const AT_ONCE = 30;
const PATIENCE = { timeout: 120_000 };

let cluster;
before(async () => {
  const values = new Map([...DEFAULTS, ...Object.entries(SMALLER)]);
  const options = [...values].flatMap(([name, value]) => ["--env", `gateway:${name}=${value}`]);
  cluster = await Cluster.start(options);
}, { timeout: 180_000 });
after(() => cluster?.stop());

/** A user with a connection to each node, a room, and a message in it. */
async function stage(t, name, org) {
  const user = person(name);
  const clients = [await cluster.connect(user, { node: 0, org }), await cluster.connect(user, { node: 1, org })];
  t.after(() => Promise.all(clients.map((client) => client.stop().catch(() => {}))));
  const roomId = await makeGroup(clients[0]);
  const other = person("other");
  await clients[0].call("AddMembers", { roomId, userIds: [other] });
  const { seq } = await send(clients[0], roomId);
  return { user, org, clients, roomId, seq, other };
}

/** Calls a method, or takes a stream to its end; returns the answer or the error. */
async function ask(client, method, request) {
  if (!STREAMS.includes(method)) return client.call(method, request).catch((error) => error);
  const items = [];
  const end = new Promise((resolve) => {
    client.connection.stream(method, request).subscribe({
      next: (item) => items.push(item),
      complete: () => resolve(items),
      error: (error) => resolve(error),
    });
  });
  return within(end, method, 30_000);
}

/** The code of an answer: `ok`, or that of the error. */
function code(answer) {
  if (!(answer instanceof Error)) return "ok";
  return answer.code ?? /HubException: (\w+): /.exec(answer.message)?.[1] ?? answer.message;
}

/** Calls until a call is refused, from all connections; returns the codes, and the time it took. */
async function flood({ clients }, method, request, calls) {
  const begun = performance.now();
  const answers = [];
  while (answers.length < calls && !answers.some((answer) => code(answer) === "rateLimited")) {
    const each = clients.flatMap((client) => Array.from({ length: AT_ONCE }, () => ask(client, method, request())));
    answers.push(...(await Promise.all(each)));
  }
  return { answers, seconds: (performance.now() - begun) / 1000 };
}

test("every method has a request here, and a budget in the documentation", () => {
  assert.deepEqual(METHODS.map(({ name }) => name).sort(), Object.keys(REFERENCE.methods).sort());
  assert.deepEqual(METHODS.map(({ name }) => name).filter((name) => !REQUESTS[name]), []);
  for (const { name, budget } of METHODS) assert.ok(limit(budget, "RATE") > 0 && limit(budget, "BURST") > 0, `${name} ${budget}`);
});

describe("every method", () => {
  for (const { name, budget, weight } of METHODS) {
    test(`${name}: a flood over two nodes gets one budget, and the connections stay`, PATIENCE, async (t) => {
      const on = await stage(t, "flood");
      const [rate, burst] = [limit(budget, "RATE"), limit(budget, "BURST")];
      const { answers, seconds } = await flood(on, name, () => REQUESTS[name](on), (2 * burst) / weight + 400);
      const refused = answers.filter((answer) => code(answer) === "rateLimited");
      const accepted = answers.length - refused.length;
      assert.ok(refused.length > 0, `all of ${answers.length} were accepted`);
      for (const error of refused) assert.match(error.message, /retryAfterMs=[1-9]\d*$/);
      const odd = answers.map(code).filter((each) => each !== "ok" && !CODES.has(each));
      assert.deepEqual(odd, [], "every error has a code of the contract");
      if (!STREAMS.includes(name)) {
        const allowed = ((burst + rate * seconds) / weight) * SPREAD + 2;
        assert.ok(accepted <= allowed, `${accepted} were accepted in ${seconds.toFixed(1)} s, ${allowed.toFixed(0)} are allowed`);
      }
      for (const client of on.clients) assert.ok(client.connected, "a connection was closed");
    });

    test(`${name}: the largest requests are answered, and the connection stays`, PATIENCE, async (t) => {
      const on = await stage(t, "large");
      for (const [field, request] of largest(name, REQUESTS[name](on), REFERENCE, 200_000)) {
        const answer = await ask(on.clients[0], name, request);
        assert.ok(code(answer) === "ok" || CODES.has(code(answer)), `${field}: ${code(answer)}`);
        assert.ok(JSON.stringify(answer).length <= ANSWER_BYTES, `${field}: an answer of ${JSON.stringify(answer).length} bytes`);
      }
      assert.ok(on.clients[0].connected);
    });
  }

  test("what nobody has gets an answer of the contract, whatever names it", PATIENCE, async (t) => {
    const on = await stage(t, "unknown");
    for (const { name } of METHODS) {
      for (const [field, request] of unknown(name, REQUESTS[name](on), REFERENCE)) {
        const found = code(await ask(on.clients[0], name, request));
        assert.ok(found === "ok" || CODES.has(found), `${name}, ${field}: ${found}`);
      }
    }
    assert.ok(on.clients[0].connected);
  });

  test("unknown rooms, and those of another organization, cost the budget and are not found", PATIENCE, async (t) => {
    const [eve, ann] = [await stage(t, "eve", person("org")), await stage(t, "ann", person("org"))];
    const before = JSON.stringify(await ann.clients[0].call("GetHistory", { roomId: ann.roomId }));
    for (const { name, budget, weight } of METHODS) {
      for (const roomId of [UNKNOWN_ROOM, ann.roomId]) {
        const request = elsewhere(REQUESTS[name](eve), roomId);
        if (!request) continue;
        const calls = Math.min(60, limit(budget, "BURST") / weight);
        const answers = await Promise.all(Array.from({ length: calls }, (_, index) => ask(eve.clients[index % 2], name, request)));
        const found = new Set(answers.map(code));
        const isExpected = (each) => each === "notFound" || each === "rateLimited" || (name === "Resume" && each === "ok");
        assert.ok([...found].every(isExpected), `${name}: ${[...found]}`);
        if (name === "Resume") {
          for (const answer of answers.filter((each) => code(each) === "ok")) assert.deepEqual(answer.left, [roomId]);
        }
      }
    }
    assert.equal(JSON.stringify(await ann.clients[0].call("GetHistory", { roomId: ann.roomId })), before, "and nothing has changed");
  });
});

describe("while one user does the worst", () => {
  /** Quiet and attack take turns, so that other work on the machine disturbs both alike. */
  const TURNS = 3;
  const TURN_MS = 700;
  const SETTLING_MS = 150;
  /** What is lost in a measurement on a busy machine: below it, a ratio says nothing. */
  const FLOOR_MS = 15;
  /** Rounds of which the best counts. */
  const ROUNDS = 3;
  const MEMORY_BYTES = 30 * 1024 * 1024;

  /** Sends for a while, some messages a second, and adds the times to the answers. */
  async function sample({ clients, roomId }, times) {
    for (const end = performance.now() + TURN_MS; performance.now() < end; await pause(50)) {
      const begun = performance.now();
      await send(clients[times.length % 2], roomId);
      times.push(performance.now() - begun);
    }
  }
  const p95 = (times) => times.sort((one, other) => one - other)[Math.floor(times.length * 0.95)];

  async function redisSeconds() {
    const { parts } = await cluster.command("status");
    return seconds(parts.find(({ name }) => name === "redis").pid);
  }
  /** Processor time of a process. */
  function seconds(pid) {
    const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1].split(" ");
    return (Number(fields[11]) + Number(fields[12])) / 100;
  }
  async function memory() {
    const { parts } = await cluster.command("status");
    const resident = ({ pid }) => 1024 * Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))[1]);
    return Math.max(...parts.filter(({ name }) => name.startsWith("gateway-")).map(resident));
  }

  /** Measures another organization with and without the attack, which goes on while `isOn`, until `isOver`. */
  async function measure(victim, state) {
    const [times, cpu, bytes] = [{ quiet: [], loaded: [] }, { quiet: 0, loaded: 0 }, await memory()];
    let most = bytes;
    for (let turn = 0; turn < 2 * TURNS; turn += 1) {
      state.isOn = turn % 2 === 1;
      const phase = state.isOn ? "loaded" : "quiet";
      await pause(SETTLING_MS);
      const start = await redisSeconds();
      await sample(victim, times[phase]);
      cpu[phase] += (await redisSeconds()) - start;
      most = Math.max(most, await memory());
    }
    state.isOn = false;
    const [quiet, loaded] = [p95(times.quiet), p95(times.loaded)];
    const cores = ((cpu.loaded - cpu.quiet) * 1000) / (TURNS * TURN_MS);
    return { ratio: loaded / Math.max(quiet, FLOOR_MS), cores, grown: most - bytes, quiet, loaded };
  }

  async function compare(t, attack) {
    const victim = await stage(t, "victim", person("victims"));
    const state = { isOn: false, isOver: false };
    const attacking = attack(state);
    let best;
    for (let round = 0; round < ROUNDS; round += 1) {
      const found = await measure(victim, state);
      if (!best || found.ratio < best.ratio) best = found;
      if (best.ratio <= 2 && best.cores <= 0.5) break;
    }
    state.isOver = true;
    await attacking;
    const words = JSON.stringify(best);
    t.diagnostic(words);
    assert.ok(best.ratio <= 2, `others wait longer: ${words}`);
    assert.ok(best.cores <= 0.5, `Redis is busy: ${words}`);
    assert.ok(best.grown <= MEMORY_BYTES, `a gateway grows: ${words}`);
  }

  /** Calls on all connections without a pause, whatever the answers. */
  const storm = ({ clients }, method, request, workers = AT_ONCE) => async (state) => {
    let number = 0;
    const worker = async (client) => {
      while (!state.isOver) {
        if (!state.isOn) {
          await pause(20);
          continue;
        }
        const answer = await ask(client, method, request((number += 1)));
        // Faster than the limit of records allows would only end the connection. Not all at the same moment: this process
        // measures the others too, and would wait for its own attack.
        if (answer instanceof Error) await pause(AT_ONCE * (2 + 2 * Math.random()));
      }
    };
    await Promise.all(clients.flatMap((client) => Array.from({ length: workers }, () => worker(client))));
  };
  const together = (...attacks) => (state) => Promise.all(attacks.map((attack) => attack(state)));

  /** Puts messages into a room that fill an answer of a history. */
  async function fill({ clients, roomId }, count) {
    for (let number = 0; number < count; number += 1) {
      const sent = await ask(clients[number % 2], "SendMessage", { roomId, clientId: crypto.randomUUID(), body: "x".repeat(16_000) });
      if (code(sent) === "rateLimited") await pause(sent.retryAfterMs);
    }
  }

  test("marks in steps of a microsecond", PATIENCE, async (t) => {
    const on = await stage(t, "marks", person("hostile"));
    await fill(on, 30);
    await compare(t, storm(on, "MarkRead", (number) => ({ roomId: on.roomId, seq: on.seq + number })));
  });

  test("resumes and histories of large edits", PATIENCE, async (t) => {
    const on = await stage(t, "edits", person("hostile"));
    for (let number = 0; number < 160; number += 1) {
      const body = `${number}${"x".repeat(16_000)}`;
      const edited = await ask(on.clients[number % 2], "EditMessage", { roomId: on.roomId, seq: on.seq, body });
      if (code(edited) === "rateLimited") await pause(edited.retryAfterMs);
    }
    await compare(t, storm(on, "Resume", () => ({ rooms: [{ roomId: on.roomId, seq: on.seq }] })));
    await compare(t, storm(on, "GetHistory", () => ({ roomId: on.roomId, limit: 1 })));
  });

  test("edits, reactions and names as fast as it goes", PATIENCE, async (t) => {
    const on = await stage(t, "changes", person("hostile"));
    const body = "x".repeat(11_000);
    await compare(t, storm(on, "EditMessage", (number) => ({ roomId: on.roomId, seq: on.seq, body: `${number}${body}` })));
    await compare(t, storm(on, "React", (number) => ({ roomId: on.roomId, seq: on.seq, emoji: "👍", on: number % 2 === 0 })));
    await compare(t, storm(on, "RenameRoom", (number) => ({ roomId: on.roomId, name: `Name ${number}` })));
  });

  test("resumes of rooms that nobody has", PATIENCE, async (t) => {
    const on = await stage(t, "unknown", person("hostile"));
    // Made once: this process measures the others too.
    const rooms = Array.from({ length: 600 }, () => ({ roomId: `g_${crypto.randomUUID().replaceAll("-", "").slice(0, 22)}`, seq: 0 }));
    await compare(t, storm(on, "Resume", () => ({ rooms })));
  });

  test("searches of messages and of people, and watches of hundreds", PATIENCE, async (t) => {
    const on = await stage(t, "searcher", person("hostile"));
    const watched = (number) => ({ userIds: Array.from({ length: 200 }, (_, index) => `w-${number}-${index}`) });
    const some = AT_ONCE / 3;
    await compare(t, together(
      storm(on, "SearchMessages", () => ({ query: "nothing" }), some),
      storm(on, "SearchUsers", () => ({ query: "", limit: 200 }), some),
      storm(on, "WatchPresence", watched, some),
    ));
  });

  test("lists, streams and histories on many connections", PATIENCE, async (t) => {
    const on = await stage(t, "reader", person("hostile"));
    await fill(on, 40);
    const some = AT_ONCE / 3;
    await compare(t, together(
      storm(on, "ListRooms", () => ({ limit: 200 }), some),
      storm(on, "StreamHistory", () => ({ roomId: on.roomId }), 3),
      storm(on, "GetHistory", () => ({ roomId: on.roomId, limit: 200 }), some),
    ));
  });

  test("connections that come and go", PATIENCE, async (t) => {
    const [user, org] = [person("flapping"), person("hostile")];
    const worker = async (state, node) => {
      while (!state.isOver) {
        if (!state.isOn) {
          await pause(20);
          continue;
        }
        const client = await cluster.connect(user, { node, org }).catch(() => undefined);
        await (client ? client.stop() : pause(100));
      }
    };
    await compare(t, (state) => Promise.all([0, 1, 0, 1, 0, 1].map((node) => worker(state, node))));
  });

  test("answers that nobody reads", PATIENCE, async (t) => {
    const on = await stage(t, "deaf", person("hostile"));
    await fill(on, 66);
    await pause(1_000);
    const bytes = await memory();
    const headers = { authorization: `Bearer ${cluster.token({ sub: on.user, org: on.org })}` };
    const sockets = Array.from({ length: 16 }, (_, number) => new WebSocket(cluster.hubUrl(number % 2).replace("http", "ws"), { headers }));
    t.after(() => sockets.forEach((socket) => socket.terminate()));
    const call = (id) => `${JSON.stringify({ type: 1, invocationId: `${id}`, target: "GetHistory", arguments: [{ roomId: on.roomId, limit: 200 }] })}\u001e`;
    for (const socket of sockets) {
      socket.on("error", () => {});
      socket.once("open", () => {
        socket.send('{"protocol":"json","version":1}\u001e');
        for (let id = 0; id < 20; id += 1) socket.send(call(id));
        socket.pause();
      });
    }
    let most = 0;
    for (let look = 0; look < 10; look += 1) {
      await pause(250);
      most = Math.max(most, await memory());
    }
    t.diagnostic(`a gateway grows by ${most - bytes} bytes`);
    assert.ok(most - bytes <= MEMORY_BYTES, `a gateway grows by ${most - bytes} bytes`);
  });

  test("a stranger is put into few rooms", PATIENCE, async (t) => {
    const org = person("hostile");
    const [on, victim] = [await stage(t, "bomber", org), await stage(t, "bombed", org)];
    const begun = performance.now();
    await storm(on, "CreateRoom", () => ({ kind: "group", memberIds: [victim.user] }))(over(3_000));
    const seconds = (performance.now() - begun) / 1000;
    await pause(500);
    const added = victim.clients[0].notices.filter(({ type }) => type === "RoomAdded").length - 1;
    const allowed = (limit("Rooms", "BURST") + limit("Rooms", "RATE") * seconds) * SPREAD + 1;
    assert.ok(added > 0 && added <= allowed, `${added} rooms, ${allowed.toFixed(0)} are allowed`);
  });

  /** A state that is over after some time. */
  function over(ms) {
    const end = performance.now() + ms;
    return { isOn: true, get isOver() { return performance.now() > end; } };
  }
});
