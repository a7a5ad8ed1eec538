// Any request works on any node: no client has to return to the same one. Also the end of a node, as clients see it.

import assert from "node:assert/strict";

import { person } from "../../lib/cast.js";
import { pause, until, within } from "../../lib/wait.js";
import { send } from "../../lib/wire/http.js";
import { Requests, Socket, connectionToken, eventsOf, hub, polled, streamed, token, upgrade } from "../../lib/wire/hub.js";
import { RS, call, parseText } from "../../lib/wire/records.js";
import { section, world } from "../../lib/wire/section.js";

const TOLD_WITHIN_MS = 2_000;
/** Two looks at the balancer and a local drain, with room for a slow machine; the balancer's delay is 300 s. */
const NOTICED_WITHIN_MS = 40_000;
/** Longer than the interval of a node's looks. */
const LOOKS_MS = 7_000;
const GONE = "No Connection with that ID";
const PLACES = [[0, 0, 0], [0, 0, 1], [0, 1, 0], [0, 1, 1], [1, 0, 0], [1, 0, 1], [1, 1, 0], [1, 1, 1]];

section("any node", (test) => {
  for (const [negotiated, attached] of [[0, 1], [1, 0]]) {
    test(`a WebSocket negotiated on node ${negotiated} attaches on node ${attached}`, async () => {
      const user = person("ann");
      const id = await connectionToken(negotiated, user);
      const socket = await Socket.joined({ node: attached, user, id });
      await socket.lives();
      socket.leave();
    });

    test(`an event stream negotiated on node ${negotiated} attaches on node ${attached}, and its POSTs work on either`, async () => {
      const requests = await Requests.negotiated(negotiated, person("ann"));
      const stream = await requests.events(attached);
      assert.equal(stream.status, 200);
      for (const node of [negotiated, attached]) {
        const text = node === negotiated ? `{"protocol":"json","version":1}${RS}` : call("ListRooms", {}, "1");
        assert.equal((await requests.post(node, text)).status, 200);
      }
      await until(() => eventsOf(stream.text).flat().some(({ invocationId }) => invocationId === "1"), "the answer");
      stream.abort();
    });
  }

  for (const [first, post, poll] of PLACES) {
    test(`long polls: attached on node ${first}, POST to ${post}, poll on ${poll}, DELETE on the other`, async () => {
      const requests = await polled(person("ann"), [first, post, poll]);
      await requests.post(1 - post, call("ListRooms", {}, "1"));
      assert.equal(parseText((await requests.poll(1 - poll)).text)[0].invocationId, "1");
      assert.equal((await requests.delete(1 - first)).status, 202);
      for (const node of [0, 1]) await until(async () => (await requests.poll(node)).status === 404, `404 on node ${node}`);
    });
  }

  test("a hundred calls by long polls through the balancer, request by request, lose nothing", async () => {
    const requests = await Requests.negotiated(undefined, person("ann"));
    await requests.poll(undefined);
    await requests.post(undefined, `{"protocol":"json","version":1}${RS}`);
    await requests.poll(undefined);
    const answered = [];
    const listen = async () => {
      while (answered.length < 100) answered.push(...parseText((await requests.poll(undefined)).text).map(({ invocationId }) => Number(invocationId)));
    };
    const speak = async () => {
      for (let number = 0; number < 100; number += 1) await requests.post(undefined, call("Nothing", {}, `${number}`));
    };
    await Promise.all([listen(), speak()]);
    assert.deepEqual(answered, Array.from({ length: 100 }, (_, index) => index));
    await requests.delete(undefined);
  });

  test("an open poll on one node is answered by an event of the other", async () => {
    const requests = await polled(person("ann"), [0, 0, 0]);
    const waiting = requests.poll(1);
    await requests.post(1, call("ListRooms", {}, "1"));
    assert.equal(parseText((await waiting).text)[0].invocationId, "1");
    await requests.delete(1);
  });

  test("a token is for one connection: it does not attach again on the other node", async () => {
    const user = person("ann");
    const { requests, stream } = await streamed(user, [0, 1]);
    const second = await requests.events(1);
    assert.equal(second.status, 409);
    stream.abort();
    await until(async () => (await requests.events(1)).status === 404, "404 once it ended");
    assert.equal((await upgrade(requests.url(1), { user })).status, 404);
  });

  test("a token is bound to its user on the other node, too", async () => {
    const requests = await polled(person("ann"), [0, 0, 0]);
    for (const method of ["GET", "POST", "DELETE"]) {
      assert.equal((await send(method, requests.url(1), { token: token(person("bob")) })).status, 404);
    }
    await requests.delete(0);
  });

  test("a modified token is 404 everywhere", async () => {
    const user = person("ann");
    const id = await connectionToken(0, user);
    const at = id.length - 10;
    const changed = id.slice(0, at) + (id[at] === "A" ? "B" : "A") + id.slice(at + 1);
    for (const node of [0, 1]) assert.equal((await send("GET", `${hub(node)}?id=${changed}`, { token: token(user) })).status, 404);
  });

  test("a client cannot forge the header of a forwarded request", async () => {
    const requests = await polled(person("ann"), [0, 0, 0]);
    for (const mark of ["", "1.x", `${Date.now()}.${"A".repeat(43)}`]) {
      const answer = await send("GET", requests.url(1), { token: token(requests.user), headers: { "rts-hop": mark } });
      assert.equal(answer.status, 401, mark);
    }
    await requests.delete(0);
  });
});

section("a node stops", (test) => {
  test("a draining node tells clients of every transport to reconnect, and answers pending calls", async (t) => {
    t.after(() => back("gateway-1"));
    const everyone = await connected();
    const stopped = world.cluster.command("stop gateway-1");
    await areTold(everyone);
    await stopped;
  });

  test("a node whose target drains tells everyone, and stays down until the target is registered again", async () => {
    const everyone = await connected();
    const { pid } = await gateway("gateway-1");
    world.instance.target = "draining";
    await areTold(everyone, NOTICED_WITHIN_MS);
    await until(async () => (await ready()) === 0, "it no longer listens", 30_000, 50);
    assert.equal((await gateway("gateway-1")).pid, pid, "a new process would be ready where nobody comes");
    // The balancer cut the last sockets, and knows it no more.
    world.instance.target = "unused";
    await pause(LOOKS_MS);
    assert.deepEqual([await ready(), (await gateway("gateway-1")).pid], [0, pid]);
    world.instance.target = "initial";
    await until(async () => (await ready()) === 200, "it is ready again", 60_000, 50);
    assert.notEqual((await gateway("gateway-1")).pid, pid);
    world.instance.target = "healthy";
  });

  test("a draining node accepts no connections, and sends Retry-After", async (t) => {
    t.after(() => back("gateway-1"));
    const user = person("ann");
    const holding = await Promise.all(Array.from({ length: 8 }, () => Socket.joined({ node: 0, user })));
    const stopped = world.cluster.command("stop gateway-1");
    const refused = async () => {
      const answer = await send("POST", `${hub(0)}/negotiate?negotiateVersion=1`, { token: token(user) });
      return answer.status === 503 && answer;
    };
    const answer = await until(refused, "503", 5_000, 5);
    assert.match(answer.headers["retry-after"], /^\d+$/);
    for (const socket of holding) await socket.end();
    await stopped;
  });

  test("a killed node breaks WebSockets and streams at once; requests of its long polls are 404 on the other node", async (t) => {
    t.after(() => back("gateway-1"));
    const user = person("ann");
    const socket = await Socket.joined({ node: 0, user });
    const stays = await Socket.joined({ node: 1, user });
    const { stream } = await streamed(user, [0, 1]);
    const polls = await polled(user, [0, 1, 0]);
    const open = polls.poll(1);
    await socket.lives();
    const begun = Date.now();
    await world.cluster.command("kill gateway-1");
    const told = await open;
    assert.ok(told.status === 404 || told.status === 204, `an open poll ends with ${told.status}`);
    assert.equal(await socket.end(TOLD_WITHIN_MS), 1006);
    await within(stream.ended, "the stream's end", TOLD_WITHIN_MS);
    assert.ok(Date.now() - begun <= TOLD_WITHIN_MS, `told after ${Date.now() - begun} ms`);
    for (const answer of [await polls.poll(1), await polls.post(1, `{"type":6}${RS}`), await polls.delete(1)]) {
      assert.deepEqual([answer.status, answer.text], [404, GONE]);
    }
    await stays.lives();
    stays.leave();
  });
}, { alone: true });

async function back(name) {
  await world.cluster.command(`start ${name}`);
  await until(async () => (await ready()) === 200, "it is ready", 30_000, 50);
}

/** The status that the first node's readiness has; 0 where nobody listens. */
async function ready() {
  const answered = send("GET", `${hub(0).replace("/hubs/chat", "")}/readyz`);
  return answered.then(({ status }) => status, () => 0);
}

async function gateway(wanted) {
  const { parts } = await world.cluster.command("status");
  return parts.find(({ name }) => name === wanted);
}

/** A user on the first node by every transport and protocol. */
async function connected() {
  const user = person("ann");
  const socket = await Socket.joined({ node: 0, user });
  const binary = await Socket.joined({ node: 0, user, protocol: "messagepack" });
  const { stream } = await streamed(user, [0, 1]);
  const polling = drainPolls(await polled(user, [0, 1, 0]), 1);
  await socket.lives();
  return { socket, binary, stream, polling };
}

/** Checks that they are told to reconnect. */
async function areTold({ socket, binary, stream, polling }, deadlineMs = 15_000) {
  assert.equal(await socket.end(deadlineMs), 1000);
  const { type, error, allowReconnect } = socket.records.at(-1);
  assert.deepEqual([type, allowReconnect], [7, true]);
  assert.match(error, /going down/);
  assert.equal(await binary.end(), 1000);
  assert.deepEqual(binary.records.at(-1), [7, error, true]);
  await within(stream.ended, "the end of the stream", 15_000);
  assert.deepEqual(eventsOf(stream.text).flat().at(-1), { type: 7, error, allowReconnect: true });
  assert.deepEqual((await within(polling, "the end of the polls", 15_000)).at(-1), { type: 7, error, allowReconnect: true });
}

/** Polls until the end; returns all records. */
async function drainPolls(requests, node) {
  const records = [];
  for (;;) {
    const { status, text } = await requests.poll(node);
    if (status !== 200) return records;
    records.push(...parseText(text));
  }
}
