// The handshake: the response to a valid one, and the text for every invalid one.

import assert from "node:assert/strict";

import { person } from "../../lib/cast.js";
import { until } from "../../lib/wait.js";
import { Requests, Socket, eventsOf } from "../../lib/wire/hub.js";
import { ACCEPTED, RS, handshake } from "../../lib/wire/records.js";
import { section } from "../../lib/wire/section.js";

const ERROR = "An unexpected error occurred during connection handshake.";
const CANCELED = "Handshake was canceled.";

const REFUSED = [
  ["an unknown protocol", handshake("foo"), "The protocol 'foo' is not supported."],
  ["version 3 of JSON", handshake("json", 3), "The server does not support version 3 of the 'json' protocol."],
  ["version 9 of MessagePack", handshake("messagepack", 9), "The server does not support version 9 of the 'messagepack' protocol."],
  ["invalid JSON", `{"protocol":"json",${RS}`, ERROR],
  ["an array", `["json",1]${RS}`, ERROR],
  ["null", `null${RS}`, ERROR],
  ["nothing before the separator", RS, ERROR],
  ["no protocol", `{"version":1}${RS}`, ERROR],
  ["no version", `{"protocol":"json"}${RS}`, ERROR],
  ["a protocol that is not a string", `{"protocol":1,"version":1}${RS}`, ERROR],
  ["a null protocol", `{"protocol":null,"version":1}${RS}`, ERROR],
  ["a version that is not a number", `{"protocol":"json","version":"1"}${RS}`, ERROR],
  ["a version that is not an integer", `{"protocol":"json","version":1.5}${RS}`, ERROR],
  ["a ping first", `{"type":6}${RS}`, ERROR],
  ["an invocation first", `{"type":1,"target":"ListRooms","arguments":[{}]}${RS}`, ERROR],
];

const ACCEPTED_AS_JSON = [
  ["the fields in reverse order", `{"version":1,"protocol":"json"}${RS}`],
  ["unknown fields and white space", ` { "protocol" : "json", "version" : 1, "new" : [{}] } ${RS}`],
  ["the protocol's name in capitals", handshake("JSON")],
  ["version 0, as a Python client sends it", handshake("json", 0)],
  ["version 2 without granted stateful reconnect, which is version 1", handshake("json", 2)],
];

section("handshake", (test) => {
  test("a valid JSON handshake is answered with {} in one Text frame", async () => {
    const socket = await opened(handshake());
    assert.deepEqual(shown(socket), [[ACCEPTED, false]]);
    socket.leave();
  });

  test("a valid MessagePack handshake is answered with {} in one Binary frame", async () => {
    const socket = await opened(handshake("messagepack"));
    assert.deepEqual(shown(socket), [[ACCEPTED, true]]);
    socket.leave();
  });

  for (const [what, request] of ACCEPTED_AS_JSON) {
    test(`accepted: ${what}`, async () => {
      const socket = await opened(request);
      assert.deepEqual(shown(socket), [[ACCEPTED, false]]);
      socket.leave();
    });
  }

  test("a handshake may come as Binary, and be split after every byte", async () => {
    const socket = await Socket.open({ node: 0, user: person("ann") });
    for (const byte of Buffer.from(handshake())) socket.send(Buffer.from([byte]), { binary: true });
    await socket.until((messages) => messages.length === 1, "its answer");
    assert.deepEqual(shown(socket), [[ACCEPTED, false]]);
    socket.leave();
  });

  test("records may follow in the same frame", async () => {
    const socket = await Socket.open({ node: 0, user: person("ann") });
    const call = `{"type":1,"target":"ListRooms","arguments":[{}],"invocationId":"7"}${RS}`;
    socket.send(`${handshake()}${call}{"type":6}${RS}`);
    await socket.until((messages) => messages.map(({ data }) => data).join("").includes(`"invocationId":"7"`), "the call's answer");
    assert.ok(socket.messages[0].data.toString().startsWith(ACCEPTED));
    socket.leave();
  });

  for (const [what, request, error] of REFUSED) {
    test(`refused: ${what}`, async () => {
      const socket = await Socket.open({ node: 0, user: person("ann") });
      socket.send(request);
      assert.equal(await socket.end(), 1000);
      assert.deepEqual(shown(socket), [[`${JSON.stringify({ error })}${RS}`, false]]);
    });
  }

  test("refused: more than 32 KiB without a separator", async () => {
    const socket = await Socket.open({ node: 0, user: person("ann") });
    socket.send(" ".repeat(20_000));
    socket.send(" ".repeat(20_000));
    assert.equal(await socket.end(), 1000);
    assert.deepEqual(shown(socket), [[`${JSON.stringify({ error: CANCELED })}${RS}`, false]]);
  });

  test("refused: not complete within 15 s, even while the client keeps sending parts of it", async () => {
    const socket = await Socket.open({ node: 0, user: person("ann") });
    const begun = Date.now();
    const busy = setInterval(() => socket.send(" "), 1_000);
    assert.equal(await socket.end(25_000), 1000);
    clearInterval(busy);
    assert.ok(Date.now() - begun > 13_000 && Date.now() - begun < 22_000, `after ${Date.now() - begun} ms`);
    assert.deepEqual(shown(socket), [[`${JSON.stringify({ error: CANCELED })}${RS}`, false]]);
  });

  test("refused on an event stream: MessagePack, which is not text", async () => {
    const requests = await Requests.negotiated(0, person("ann"));
    const stream = await requests.events(0);
    await requests.post(0, handshake("messagepack"));
    await until(() => eventsOf(stream.text).length === 1, "the refusal");
    const [[{ error }]] = eventsOf(stream.text);
    assert.match(error, /^Cannot use the 'messagepack' protocol on the current transport\./);
    await stream.ended;
  });

  test("refused on long polls: the poll returns the error, the next one ends", async () => {
    const requests = await Requests.negotiated(0, person("ann"));
    await requests.poll(0);
    await requests.post(0, handshake("foo"));
    const told = await requests.poll(0);
    assert.deepEqual([told.status, told.text], [200, `{"error":"The protocol 'foo' is not supported."}${RS}`]);
    assert.equal((await requests.poll(0)).status, 204);
    assert.equal((await requests.poll(0)).status, 404);
  });
});

async function opened(request) {
  const socket = await Socket.open({ node: 0, user: person("ann") });
  socket.send(request);
  await socket.until((messages) => messages.length > 0, "its answer");
  return socket;
}

const shown = ({ messages }) => messages.map(({ data, binary }) => [data.toString(), binary]);
