// Negotiation, and web pages of other origins.

import assert from "node:assert/strict";

import { person } from "../../lib/cast.js";
import { pause } from "../../lib/wait.js";
import { send } from "../../lib/wire/http.js";
import { Socket, connectionToken, hub, negotiate, token, upgrade } from "../../lib/wire/hub.js";
import { ALLOWED_PAGE, section, world } from "../../lib/wire/section.js";

const FOREIGN_PAGE = "https://evil.example";
const TRANSPORTS =
  '"availableTransports":[{"transport":"WebSockets","transferFormats":["Text","Binary"]},' +
  '{"transport":"ServerSentEvents","transferFormats":["Text"]},{"transport":"LongPolling","transferFormats":["Text","Binary"]}]}';
const LIFE_MS = 15_000;

section("negotiate", (test) => {
  test("version 1 returns 200 application/json with exactly its fields", async () => {
    const { status, headers, text } = await negotiate(0, person("ann"));
    assert.equal(status, 200);
    assert.match(headers["content-type"], /^application\/json\b/);
    const { connectionId, connectionToken: secret } = JSON.parse(text);
    assert.equal(text, `{"negotiateVersion":1,"connectionId":"${connectionId}","connectionToken":"${secret}",${TRANSPORTS}`);
    assert.notEqual(connectionId, secret);
  });

  test("breaks #6: the connection token goes into URLs unescaped, so it holds only characters allowed there", async () => {
    for (let round = 0; round < 20; round += 1) {
      assert.match(await connectionToken(round % 2, person("ann")), /^[A-Za-z0-9._-]+$/);
    }
  });

  for (const [what, query] of [["without negotiateVersion", ""], ["with negotiateVersion=0", "negotiateVersion=0"]]) {
    test(`breaks #7: ${what} it is version 0: no token, and clients connect with the connectionId`, async () => {
      const user = person("ann");
      const { text } = await negotiate(0, user, query);
      const answer = JSON.parse(text);
      assert.equal(text, `{"negotiateVersion":0,"connectionId":"${answer.connectionId}",${TRANSPORTS}`);
      const socket = await Socket.joined({ node: 1, user, id: answer.connectionId });
      await socket.lives();
      socket.leave();
    });
  }

  test("a future version is answered with version 1", async () => {
    assert.equal(JSON.parse((await negotiate(0, person("ann"), "negotiateVersion=7")).text).negotiateVersion, 1);
  });

  for (const version of ["one", "1.5", "", "-1"]) {
    test(`version ${JSON.stringify(version)} is a 200 with an error, which makes start() reject with its text`, async () => {
      const { status, headers, text } = await negotiate(0, person("ann"), `negotiateVersion=${version}`);
      assert.equal(status, 200);
      assert.match(headers["content-type"], /^application\/json\b/);
      assert.deepEqual(Object.keys(JSON.parse(text)), ["error"]);
    });
  }

  test("query parameter names ignore case", async () => {
    const user = person("ann");
    const { text } = await negotiate(0, user, "NEGOTIATEVERSION=1");
    const { connectionToken: secret } = JSON.parse(text);
    const socket = await Socket.open({ node: 0, user, query: `&ID=${secret}` });
    assert.equal((await upgrade(`${hub(1)}?Id=${secret}&ACCESS_TOKEN=${token(user)}`)).status, 409, "it was taken by its id");
    socket.leave();
  });

  test("every negotiation has its own ids", async () => {
    const user = person("ann");
    const tokens = await Promise.all(Array.from({ length: 20 }, (_, index) => connectionToken(index % 2, user)));
    assert.equal(new Set(tokens).size, 20);
  });

  for (const method of ["GET", "PUT", "DELETE"]) {
    test(`${method} on negotiate is 405`, async () => {
      assert.equal((await send(method, `${hub(0)}/negotiate`, { token: token(person("ann")) })).status, 405);
    });
  }

  test("without a valid token it is 401, and the challenge says what is wrong with it", async () => {
    const invalid = 'Bearer error="invalid_token", error_description="the token is no JSON Web Token, or a claim has a wrong type"';
    for (const [headers, expected] of [
      [{}, "Bearer"],
      [{ authorization: "Basic YTpi" }, "Bearer"],
      [{ authorization: "Bearer x.y.z" }, invalid],
    ]) {
      const answer = await negotiate(0, undefined, "negotiateVersion=1", headers);
      assert.deepEqual([answer.status, answer.headers["www-authenticate"], answer.text], [401, expected, "Unauthorized"]);
    }
  });

  test("an unused id is 404 after 15 s", async () => {
    const user = person("late");
    const id = await connectionToken(0, user);
    await pause(LIFE_MS + 500);
    for (const node of [0, 1]) {
      const answer = await upgrade(`${hub(node)}?id=${id}`, { user });
      assert.deepEqual([answer.status, answer.text], [404, "No Connection with that ID"]);
      assert.equal((await send("GET", `${hub(node)}?id=${id}`, { token: token(user) })).status, 404);
    }
  });

  test("gotcha: negotiations hold nothing on the server, however many there are", async () => {
    const before = await memory();
    const first = person("first");
    const id = await connectionToken(0, first);
    for (let round = 0; round < 40; round += 1) {
      const users = Array.from({ length: 10 }, () => person("crowd"));
      const answers = await Promise.all(users.map((user) => negotiate(0, user)));
      assert.deepEqual(new Set(answers.map(({ status }) => status)), new Set([200]));
    }
    const socket = await Socket.joined({ node: 1, user: first, id });
    await socket.lives();
    socket.leave();
    assert.ok((await memory()) - before < 32 * 1024, "kB more for 400 negotiations, beside the other cases");
  });
});

section("origins", (test) => {
  const named = (headers) => headers["access-control-allow-origin"];

  test("an allowed page may read the response, with credentials, and is named: never *", async () => {
    const { status, headers } = await negotiate(0, person("ann"), undefined, { origin: ALLOWED_PAGE });
    assert.deepEqual([status, named(headers), headers["access-control-allow-credentials"]], [200, ALLOWED_PAGE, "true"]);
    assert.match(headers.vary, /origin/i);
  });

  test("the page can read an error, too: 401 with its origin", async () => {
    const { status, headers } = await negotiate(0, undefined, undefined, { origin: ALLOWED_PAGE });
    assert.deepEqual([status, named(headers), headers["access-control-allow-credentials"]], [401, ALLOWED_PAGE, "true"]);
  });

  test("the preflight of an allowed page permits what the client sends", async () => {
    const headers = {
      origin: ALLOWED_PAGE,
      "access-control-request-method": "POST",
      "access-control-request-headers": "authorization,x-requested-with,x-signalr-user-agent,content-type",
    };
    for (const path of ["/negotiate?negotiateVersion=1", "?id=x"]) {
      const answer = await send("OPTIONS", `${hub(0)}${path}`, { headers });
      assert.ok([200, 204].includes(answer.status));
      assert.deepEqual([named(answer.headers), answer.headers["access-control-allow-credentials"]], [ALLOWED_PAGE, "true"]);
      const allowed = answer.headers["access-control-allow-headers"].split(/\s*,\s*/);
      for (const header of ["authorization", "x-requested-with", "x-signalr-user-agent", "content-type"]) assert.ok(allowed.includes(header));
      for (const method of ["GET", "POST", "DELETE"]) assert.ok(answer.headers["access-control-allow-methods"].includes(method));
    }
  });

  test("a foreign page may not read the response, and its preflight is refused", async () => {
    const plain = await negotiate(0, person("ann"), undefined, { origin: FOREIGN_PAGE });
    assert.equal(named(plain.headers), undefined);
    const headers = { origin: FOREIGN_PAGE, "access-control-request-method": "POST" };
    const preflight = await send("OPTIONS", `${hub(0)}/negotiate`, { headers });
    assert.deepEqual([preflight.status, named(preflight.headers)], [403, undefined]);
  });

  for (const origin of [FOREIGN_PAGE, "null", `${ALLOWED_PAGE}.evil.example`, "http://app.example.com"]) {
    test(`an upgrade from ${origin} is 403, even with a valid token`, async () => {
      assert.equal((await upgrade(hub(0), { user: person("ann"), headers: { origin } })).status, 403);
    });
  }

  test("upgrades from an allowed page, the server's own, and without an origin succeed", async () => {
    for (const headers of [{ origin: ALLOWED_PAGE }, { origin: new URL(hub()).origin }, {}]) {
      assert.equal((await upgrade(hub(), { user: person("ann"), headers })).status, 101, JSON.stringify(headers));
    }
  });
});

/** Resident memory of the first node, in kB. */
async function memory() {
  const { parts } = await world.cluster.command("status");
  const { pid } = parts.find(({ name }) => name === "gateway-1");
  const { readFile } = await import("node:fs/promises");
  return Number(/VmRSS:\s+(\d+)/.exec(await readFile(`/proc/${pid}/status`, "utf8"))[1]);
}
