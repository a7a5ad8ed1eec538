// Server-Sent Events: exact bytes, and the requests allowed on a stream's id.

import assert from "node:assert/strict";

import { makeDirect, person, send as sendMessage } from "../../lib/cast.js";
import { until } from "../../lib/wait.js";
import { Bare, send } from "../../lib/wire/http.js";
import { Requests, eventsOf, hub, streamed, token, upgrade } from "../../lib/wire/hub.js";
import { ACCEPTED, RS, call, handshake } from "../../lib/wire/records.js";
import { section, world } from "../../lib/wire/section.js";

section("Server-Sent Events", (test) => {
  test("the stream starts with its headers and a comment, byte by byte, before any event", async () => {
    const requests = await Requests.negotiated(0, person("ann"));
    const bare = await Bare.open(hub(0));
    bare.write(`GET /hubs/chat?id=${requests.id}&access_token=${token(requests.user)} HTTP/1.1\r\nhost: chat\r\naccept: text/event-stream\r\n\r\n`);
    const head = (await bare.upTo("\r\n\r\n")).toString().toLowerCase().split("\r\n");
    assert.equal(head[0], "http/1.1 200 ok");
    for (const line of ["content-type: text/event-stream", "cache-control: no-cache,no-store", "x-accel-buffering: no"]) assert.ok(head.includes(line), `${line} in ${head}`);
    // One chunk of three bytes: the comment.
    assert.equal((await bare.upTo("3\r\n:\r\n\r\n")).length, 0);
    await requests.post(0, handshake());
    // One chunk with one event.
    const event = `data: ${ACCEPTED}\r\n\r\n`;
    assert.equal((await bare.upTo(`${Buffer.byteLength(event).toString(16).toUpperCase()}\r\n${event}\r\n`)).length, 0);
    bare.close();
  });

  for (const accept of ["text/event-stream", "text/html, text/event-stream;q=0.9", "TEXT/Event-Stream"]) {
    test(`a GET that accepts ${accept} opens a stream`, async () => {
      const requests = await Requests.negotiated(0, person("ann"));
      const stream = await requests.events(0, accept);
      assert.deepEqual([stream.status, stream.headers["content-type"]], [200, "text/event-stream"]);
      stream.abort();
    });
  }

  test("an accepted POST is 200, text/plain and empty", async () => {
    const { requests, stream } = await streamed(person("ann"));
    const { status, headers, text } = await requests.post(0, `{"type":6}${RS}`);
    assert.deepEqual([status, headers["content-type"], text], [200, "text/plain", ""]);
    stream.abort();
  });

  test("breaks #1: every event holds whole records only, and records flushed together are one event", async (t) => {
    const [ann, bob] = [await world.cluster.connect(person("ann"), { node: 0 }), await world.cluster.connect(person("bob"), { node: 1 })];
    t.after(() => Promise.all([ann.stop(), bob.stop()]));
    const roomId = await makeDirect(ann, bob);
    const { requests, stream } = await streamed(ann.user, [0, 1]);
    await requests.post(1, call("ListRooms", {}, "there"));
    await until(() => stream.text.includes('"there"'), "the first answer");
    const bodies = Array.from({ length: 25 }, (_, index) => `${index} ${"방🙂\n".repeat(index * 60)}`);
    for (const body of bodies) await sendMessage(bob, roomId, body);
    const heard = () => eventsOf(stream.text).flat().filter(({ target }) => target === "MessageCreated");
    await until(() => heard().length === bodies.length, () => `all events; ${heard().length}`);
    assert.deepEqual(heard().map(({ arguments: given }) => given[0].message.body), bodies);
    // Only the comment, data lines, and the empty lines after them.
    assert.match(stream.text, /^:\r\n(data: [^\r\n]+\r\n\r\n)+$/);
    await requests.post(0, Array.from({ length: 20 }, (_, index) => call("Nothing", {}, `${index}`)).join(""));
    await until(() => stream.text.includes('"19"'), "the last answer");
    const answers = eventsOf(stream.text).filter((event) => event.some(({ error }) => error));
    assert.ok(answers.length < 20, `${answers.length} events for 20 answers`);
    stream.abort();
  });

  test("records may be split between POSTs, even within a character", async () => {
    const { requests, stream } = await streamed(person("ann"));
    const bytes = Buffer.from(call("ListRooms", { query: "방🙂" }, "cut"));
    for (let at = 0; at < bytes.length; at += 7) assert.equal((await requests.post(at % 2, bytes.subarray(at, at + 7))).status, 200);
    await until(() => stream.text.includes('"invocationId":"cut"'), "the answer");
    stream.abort();
  });

  test("a second stream on the id is 409, on either node; a poll and a DELETE are 400", async () => {
    const { requests, stream } = await streamed(person("ann"));
    for (const node of [0, 1]) {
      const second = await requests.events(node);
      assert.equal(second.status, 409);
      assert.equal((await requests.poll(node)).status, 400);
      assert.equal((await requests.delete(node)).status, 400);
    }
    assert.equal((await upgrade(requests.url(0), { user: requests.user })).status, 400);
    assert.equal((await requests.post(0, `{"type":6}${RS}`)).status, 200, "it lives");
    stream.abort();
  });

  test("before it attaches, an id accepts no POST and no DELETE: 400", async () => {
    const requests = await Requests.negotiated(0, person("ann"));
    assert.equal((await requests.post(0, handshake())).status, 400);
    assert.equal((await requests.delete(0)).status, 400);
  });

  test("another user's bearer on the id is 404", async () => {
    const { requests, stream } = await streamed(person("ann"));
    for (const method of ["POST", "GET"]) {
      const answer = await send(method, requests.url(0), { token: token(person("bob")), headers: { accept: "text/event-stream" } });
      assert.equal(answer.status, 404);
    }
    stream.abort();
  });

  test("the connection ends with its stream: afterwards its id is 404", async () => {
    const { requests, stream } = await streamed(person("ann"), [0, 1]);
    stream.abort();
    for (const node of [0, 1]) {
      await until(async () => (await requests.post(node, `{"type":6}${RS}`)).status === 404, `404 on node ${node}`);
    }
    assert.equal((await requests.events(0)).status, 404);
  });

  test("a client's Close ends the stream", async () => {
    const { requests, stream } = await streamed(person("ann"));
    assert.equal((await requests.post(0, `{"type":7}${RS}`)).status, 200);
    assert.equal(await stream.ended, "end");
    assert.deepEqual(eventsOf(stream.text).flat(), [{}]);
  });

  test("invalid input gets a Close record, then the stream ends", async () => {
    const { requests, stream } = await streamed(person("ann"));
    assert.equal((await requests.post(0, `{${RS}`)).status, 200);
    assert.equal(await stream.ended, "end");
    assert.deepEqual(eventsOf(stream.text).flat().at(-1), { type: 7, error: "Connection closed with an error.", allowReconnect: true });
  });
});
