// Long polling: exact statuses and bodies, in the order that clients depend on.

import assert from "node:assert/strict";

import { encode } from "@msgpack/msgpack";

import { makeDirect, person, send as sendMessage } from "../../lib/cast.js";
import { pause, until } from "../../lib/wait.js";
import { send } from "../../lib/wire/http.js";
import { Requests, polled, token } from "../../lib/wire/hub.js";
import { ACCEPTED, RS, call, handshake, packed, parseBytes, parseText } from "../../lib/wire/records.js";
import { section, world } from "../../lib/wire/section.js";

const GONE = "No Connection with that ID";

section("long polling", (test) => {
  test("breaks #5: the first GET is exactly 200 with an empty body, at once", async () => {
    const requests = await Requests.negotiated(0, person("ann"));
    const begun = Date.now();
    const { status, headers, text } = await requests.poll(0);
    assert.deepEqual([status, text, headers["content-length"]], [200, "", "0"]);
    assert.ok(Date.now() - begun < 10_000);
    await requests.delete(0);
  });

  test("data is 200, application/octet-stream, raw records", async () => {
    const requests = await Requests.negotiated(0, person("ann"));
    await requests.poll(0);
    const posted = await requests.post(0, handshake());
    assert.deepEqual([posted.status, posted.headers["content-type"], posted.text], [200, "text/plain", ""]);
    const { status, headers, text } = await requests.poll(0);
    assert.deepEqual([status, headers["content-type"], text], [200, "application/octet-stream", ACCEPTED]);
    await requests.delete(0);
  });

  test("a poll waits for a record", async () => {
    const requests = await polled(person("ann"));
    const waiting = requests.poll(0);
    await requests.post(0, call("ListRooms", {}, "1"));
    const { status, text } = await waiting;
    assert.deepEqual([status, parseText(text)], [200, [{ type: 3, invocationId: "1", result: { rooms: [] } }]]);
    await requests.delete(0);
  });

  test("breaks #1: every body holds whole records only, several if several are pending", async (t) => {
    const [ann, bob] = [await world.cluster.connect(person("ann"), { node: 0 }), await world.cluster.connect(person("bob"), { node: 1 })];
    t.after(() => Promise.all([ann.stop(), bob.stop()]));
    const roomId = await makeDirect(ann, bob);
    const requests = await polled(ann.user, [0, 1, 0]);
    const bodies = Array.from({ length: 25 }, (_, index) => `${index} ${"방🙂".repeat(index * 60)}`);
    await requests.post(1, call("ListRooms", {}, "there"));
    const records = parseText((await requests.poll(0)).text);
    for (const body of bodies) await sendMessage(bob, roomId, body);
    const heard = () => records.filter(({ target }) => target === "MessageCreated");
    let polls = 0;
    for (; heard().length < bodies.length; polls += 1) records.push(...parseText((await requests.poll(polls % 2)).text));
    assert.deepEqual(heard().map(({ arguments: given }) => given[0].message.body), bodies);
    assert.ok(polls < bodies.length, `${polls} polls for ${bodies.length} messages that waited`);
    await requests.delete(0);
  });

  test("a new poll ends an open one with 204, and gets the next records", async () => {
    const requests = await polled(person("ann"));
    const old = requests.poll(0);
    await pause(150);
    const next = requests.poll(1);
    const answered = await old;
    assert.deepEqual([answered.status, answered.text], [204, ""]);
    await requests.post(0, call("ListRooms", {}, "1"));
    assert.equal(parseText((await next).text)[0].invocationId, "1");
    await requests.delete(0);
  });

  test("an aborted poll loses nothing", async () => {
    const requests = await polled(person("ann"));
    for (const node of [0, 1]) {
      const patience = new AbortController();
      const given = requests.poll(node, { signal: patience.signal });
      await pause(300);
      patience.abort();
      await assert.rejects(given);
    }
    await pause(300);
    await requests.post(0, call("ListRooms", {}, "1"));
    assert.equal(parseText((await requests.poll(0)).text)[0].invocationId, "1");
    await requests.delete(0);
  });

  test("DELETE is 202, ends an open poll, and makes the id 404", async () => {
    const requests = await polled(person("ann"));
    const open = requests.poll(0);
    await pause(100);
    const deleted = await requests.delete(0);
    assert.deepEqual([deleted.status, deleted.text], [202, ""]);
    assert.equal((await open).status, 204);
    for (const node of [0, 1]) {
      const poll = await requests.poll(node);
      assert.deepEqual([poll.status, poll.text], [404, GONE]);
      assert.equal((await requests.post(node, `{"type":6}${RS}`)).status, 404);
    }
  });

  for (const [first, second] of [["Close", "DELETE"], ["DELETE", "Close"]]) {
    test(`on stop ${first} may come before ${second}: neither is an error`, async () => {
      const requests = await polled(person("ann"));
      const step = { Close: () => requests.post(1, `{"type":7}${RS}`), DELETE: () => requests.delete(0) };
      const waiting = requests.poll(0);
      await pause(100);
      const answers = [step[first](), step[second]()];
      for (const { status } of await Promise.all(answers)) assert.ok([200, 202, 404].includes(status), `${status}`);
      assert.equal((await waiting).status, 204);
      await until(async () => (await requests.poll(0)).status === 404, "the id is 404");
    });
  }

  test("invalid input: the poll returns the Close record, the next is 204, then 404", async () => {
    const requests = await polled(person("ann"));
    assert.equal((await requests.post(0, `{${RS}`)).status, 200);
    const told = await requests.poll(0);
    assert.deepEqual(parseText(told.text), [{ type: 7, error: "Connection closed with an error.", allowReconnect: true }]);
    const over = await requests.poll(0);
    assert.deepEqual([over.status, over.text], [204, ""]);
    await until(async () => (await requests.poll(0)).status === 404, "the id is 404");
  });

  test("a POST may hold half a record, even split within a character", async () => {
    const requests = await polled(person("ann"));
    const bytes = Buffer.from(call("ListRooms", { query: "방🙂" }, "cut"));
    const middle = bytes.indexOf(Buffer.from("🙂")) + 2;
    assert.equal((await requests.post(0, bytes.subarray(0, middle))).status, 200);
    assert.equal((await requests.post(1, bytes.subarray(middle))).status, 200);
    assert.equal(parseText((await requests.poll(0)).text)[0].invocationId, "cut");
    await requests.delete(0);
  });

  test("concurrent POSTs on both nodes are all 200 and never mixed", async () => {
    const requests = await polled(person("ann"));
    const ids = Array.from({ length: 20 }, (_, index) => `${index}`);
    const posted = await Promise.all(ids.map((id) => requests.post(Number(id) % 2, call("Nothing", { padding: "x".repeat(9_000) }, id))));
    assert.deepEqual(new Set(posted.map(({ status }) => status)), new Set([200]));
    const answered = new Set();
    while (answered.size < ids.length) for (const { invocationId } of parseText((await requests.poll(0)).text)) answered.add(invocationId);
    assert.deepEqual([...answered].sort(), [...ids].sort());
    await requests.delete(0);
  });

  test("MessagePack: its handshake as text/plain, its records as octet-stream", async () => {
    const requests = await polled(person("ann"), [0, 1, 0], "messagepack");
    const headers = { "content-type": "application/octet-stream" };
    assert.equal((await requests.post(1, packed(1, {}, "1", "ListRooms", [{}]), headers)).status, 200);
    const { headers: answered, body } = await requests.poll(0);
    assert.equal(answered["content-type"], "application/octet-stream");
    assert.deepEqual(parseBytes(body), [[3, {}, "1", 3, { rooms: [] }]]);
    assert.ok(body.includes(Buffer.from(encode("rooms"))));
    await requests.delete(0);
  });

  test("an oversized body is 413, and the connection survives", async () => {
    const requests = await polled(person("ann"));
    assert.equal((await requests.post(0, Buffer.alloc(700 * 1024, 0x20))).status, 413);
    assert.equal((await requests.post(0, call("ListRooms", {}, "1"))).status, 200);
    assert.equal(parseText((await requests.poll(0)).text)[0].invocationId, "1");
    await requests.delete(0);
  });

  test("another user's bearer is 404, an event stream on the id 400", async () => {
    const requests = await polled(person("ann"));
    for (const method of ["GET", "POST", "DELETE"]) {
      assert.equal((await send(method, requests.url(1), { token: token(person("bob")) })).status, 404);
    }
    assert.equal((await requests.events(0)).status, 400);
    assert.equal((await requests.delete(0)).status, 202);
  });
});

section("long polling, waiting", (test) => {
  test("an idle poll is 200 and empty after 90 s, without a ping in between", async () => {
    const requests = await polled(person("ann"), [0, 1, 0]);
    const begun = Date.now();
    const { status, text } = await requests.poll(1, { deadlineMs: 110_000 });
    assert.deepEqual([status, text], [200, ""]);
    const took = Date.now() - begun;
    assert.ok(took > 85_000 && took < 100_000, `after ${took} ms`);
    await requests.post(0, call("ListRooms", {}, "1"));
    assert.equal(parseText((await requests.poll(0)).text)[0].invocationId, "1");
    await requests.delete(0);
  });

  test("a client that stops polling is closed after a while", async () => {
    const requests = await polled(person("ann"));
    await until(async () => (await requests.post(0, "")).status === 404, "404", 30_000, 500);
  });
}, { waits: true });
