// What the pages show is run: examples in JSON against the reference, code against a cluster, proxies in front of it.

import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { createHash, randomUUID } from "node:crypto";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { tmpdir } from "node:os";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

import { makeDirect } from "../lib/cast.js";
import { ChatClient } from "../lib/chat-client.js";
import { Cluster } from "../lib/cluster.js";
import { EVENTS, METHODS, checkAnswer, checkEvent, checkRequest, checkType, hasPlainAnswer } from "../lib/schema.js";
import { CLIENTS } from "../lib/signalr.js";
import { sign } from "../lib/token.js";
import { until } from "../lib/wait.js";

const run = promisify(execFile);
const DOCS = fileURLToPath(new URL("../../../../docs/", import.meta.url));
const AsyncFunction = (async () => {}).constructor;

/** The blocks of a page in a language, each with the heading before it. */
async function blocks(page, language) {
  const text = await readFile(join(DOCS, page), "utf8");
  const found = [];
  let heading = "";
  for (const [, title, code, body] of text.matchAll(/^#+ `?([^`\n]+)`?$|^```(\w*)\n([\s\S]*?)^```/gm)) {
    if (title) heading = title;
    else if (code === language) found.push({ heading, body });
  }
  assert.notEqual(found.length, 0, `${page} has ${language}`);
  return found;
}

async function block(page, language) {
  const [only, ...more] = await blocks(page, language);
  assert.equal(more.length, 0, `${page} has one block of ${language}`);
  return only.body;
}

test("the examples of methods, events and types are what the reference says", async () => {
  const examples = new Map();
  for (const { heading, body } of await blocks("api/methods.md", "json")) examples.set(heading, [...(examples.get(heading) ?? []), JSON.parse(body)]);
  assert.deepEqual([...examples.keys()].sort(), METHODS, "each method has its example");
  for (const [method, [request, answer, ...more]] of examples) {
    checkRequest(method, request);
    if (answer) checkAnswer(method, answer);
    assert.ok((answer || hasPlainAnswer(method)) && more.length === 0, `${method}: a request, and its answer`);
  }
  const events = await blocks("api/events.md", "json");
  for (const { heading, body } of events) checkEvent(heading, JSON.parse(body));
  assert.deepEqual(events.map(({ heading }) => heading).sort(), EVENTS, "each event has its example");
  for (const { heading, body } of await blocks("api/types.md", "json")) checkType(heading, JSON.parse(body));
});

test("the page of the local cluster shows the lines that the web app's types hold to the reference", async () => {
  const spec = await readFile(join(DOCS, "../gateway/web/src/app/rts/reference.spec.ts"), "utf8");
  assert.ok(spec.includes((await block("local.md", "ts")).replace("./rts", "../../../../../docs/api/rts")));
});

let cluster;
before(async () => (cluster = await Cluster.start()), { timeout: 180_000 });
after(() => cluster?.stop());

test("a refusal's code, sentence and wait are read as the page of errors reads them", async () => {
  const read = new Function("error", `${await block("api/errors.md", "js")}\nreturn { code, sentence, waitMs };`);
  const ann = await cluster.connect("ann");
  const refusal = await ann.connection.invoke("GetRoom", { roomId: "g_3kTMd3F5Sm6dPrpe9sJ3Ng" }).catch((error) => error);
  assert.deepEqual(read(refusal), { code: "notFound", sentence: "There is no such room.", waitMs: NaN });
  await ann.stop();
  const limited = new Error("An unexpected error occurred invoking 'SendMessage' on the server. HubException: rateLimited: Too many messages or changes of them at once; retryAfterMs=22");
  assert.equal(read(limited).waitMs, 22);
  assert.equal(read(new Error("Server timeout elapsed.")).code, "lost");
});

test("a file is uploaded as the page of methods does it", async () => {
  const upload = new AsyncFunction("hub", "roomId", "file", "sha256", `${await block("api/methods.md", "js")}\nreturn ticket.attachmentId;`);
  const [ann, bob] = [await cluster.connect("ann-of-files"), await cluster.connect("bob-of-files")];
  const roomId = await makeDirect(ann, bob);
  const bytes = Buffer.from("%PDF-1.7 a plan");
  const file = new (await import("node:buffer")).File([bytes], "plan.pdf", { type: "application/pdf" });
  const attachmentId = await upload(ann.connection, roomId, file, createHash("sha256").update(bytes).digest("hex"));
  await ann.call("SendMessage", { roomId, clientId: randomUUID(), attachmentIds: [attachmentId] });
  const { messages } = await bob.call("GetHistory", { roomId });
  assert.equal(messages.at(-1).attachments[0].fileName, "plan.pdf");
  await Promise.all([ann.stop(), bob.stop()]);
});

test("a token is had as the page of the local cluster has it", async () => {
  const [{ body }] = (await blocks("local.md", "sh")).filter(({ body }) => body.startsWith("curl"));
  const { stdout } = await run("bash", ["-c", body.replace("http://127.0.0.1:8080", cluster.info.balancer)], { timeout: 20_000 });
  assert.match(JSON.parse(stdout).token, /^[\w-]+\.[\w-]+\.[\w-]+$/);
});

test("a token as the page of identity has it is accepted, and has its user and name", async () => {
  const shown = JSON.parse(await block("guide/identity.md", "json"));
  const { secret, issuer, audience } = cluster.jwt;
  const ago = Math.floor(Date.now() / 1000) - shown.iat;
  const claims = { ...shown, iss: issuer, aud: audience, iat: shown.iat + ago, exp: shown.exp + ago };
  const token = () => sign({ alg: "HS256", typ: "JWT" }, claims, secret);
  const [ada, other] = [await new ChatClient({ url: cluster.hubUrl(), user: shown.sub, token }).start(), await cluster.connect("other-of-ada")];
  const { room } = await ada.call("GetRoom", { roomId: await makeDirect(ada, other) });
  assert.equal(room.members.find(({ userId }) => userId === shown.sub).displayName, shown.name);
  await Promise.all([ada.stop(), other.stop()]);
});

/** The block of the page of the local cluster that begins so, with the addresses of this cluster. */
async function ofLocal(start) {
  const [{ body }] = (await blocks("local.md", "sh")).filter(({ body }) => body.startsWith(start));
  return body.replaceAll("http://127.0.0.1:4566", cluster.info.aws.endpoint).replaceAll("redis://127.0.0.1:6390", cluster.info.redis);
}

test("the page of the local cluster says where its data is", async () => {
  const body = await ofLocal("# what is stored");
  const { endpoint, region, accessKeyId, secretAccessKey, outputs } = cluster.info.aws;
  for (const [name, value] of [["ENDPOINT_URL", endpoint], ["REGION", region], ["ACCESS_KEY_ID", accessKeyId], ["SECRET_ACCESS_KEY", secretAccessKey]]) {
    assert.match(body, new RegExp(`\\bAWS_${name}=${value}(\\s|$)`));
  }
  assert.ok(body.includes(`--table-name ${outputs.messagesTableName} `));
});

const freePort = () =>
  new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });

/** A page's proxy on loopback, in front of the cluster's gateways and without its certificate. */
const PROXIES = {
  nginx: {
    of: (text, port, directory, [one, other]) => {
      const paths = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((name) => `${name}_temp_path ${directory}/${name};`);
      const here = text
        .replace("listen 443 ssl", `listen 127.0.0.1:${port}`)
        .replaceAll("/var/log/nginx", directory)
        .replace("10.0.0.11:8080", one)
        .replace("10.0.0.12:8080", other);
      return `pid ${directory}/pid; daemon off; events {} http { ${paths.join(" ")} ${here} }`;
    },
    arguments: (file) => ["-e", "stderr", "-c", file],
  },
  haproxy: {
    of: (text, port, directory, [one, other]) =>
      text
        .replace(/bind :443 ssl crt \S+/, `bind 127.0.0.1:${port}`)
        .replace("10.0.0.11:8080", one)
        .replace("10.0.0.12:8080", other),
    arguments: (file) => ["-db", "-f", file],
  },
};

for (const [name, { of, arguments: flags }] of Object.entries(PROXIES)) {
  const isHere = await run(name, ["-v"]).then(() => true, () => false);
  test(`through the ${name} of the page: every transport`, { skip: !isHere && `no ${name} here`, timeout: 100_000 }, async (t) => {
    const directory = await mkdtemp(join(tmpdir(), "rts-proxy-"));
    const [port, file] = [await freePort(), join(directory, "conf")];
    const gateways = cluster.info.gateways.map((url) => new URL(url).host);
    await writeFile(file, of(await block("guide/proxies.md", name), port, directory, gateways));
    const proxy = spawn(name, flags(file), { stdio: ["ignore", "ignore", "inherit"] });
    const ended = new Promise((resolve) => proxy.once("exit", resolve));
    t.after(async () => {
      proxy.kill("SIGTERM");
      await ended;
      await rm(directory, { recursive: true });
    });
    const url = `http://127.0.0.1:${port}`;
    await until(() => fetch(`${url}/readyz`).then(({ ok }) => ok, () => false), `${name} serves`);
    const { HttpTransportType } = CLIENTS.get(10);
    for (const transport of ["WebSockets", "ServerSentEvents", "LongPolling"]) {
      const people = [`ann-${name}-${transport}`, `bob-${name}-${transport}`].map((user) =>
        new ChatClient({ url: `${url}/hubs/chat`, user, token: () => cluster.token({ sub: user }), transport: HttpTransportType[transport] }).start(),
      );
      const [ann, bob] = await Promise.all(people);
      const roomId = await makeDirect(ann, bob);
      for (let number = 0; number < 10; number += 1) await ann.call("SendMessage", { roomId, clientId: randomUUID(), body: `${transport} ${number}` });
      await until(() => bob.rooms.get(roomId)?.filter(({ message }) => message?.body.startsWith(transport)).length === 10, `${transport}: all arrive`);
      await Promise.all([ann.stop(), bob.stop()]);
    }
  });
}

const binaries = process.env.RTS_BIN_DIR;
test("a gateway that the page of the local cluster starts by hand joins the cluster", { skip: !binaries && "no RTS_BIN_DIR", timeout: 60_000 }, async (t) => {
  const [port, admin] = [await freePort(), await freePort()];
  const begin = (await ofLocal("# a gateway"))
    .replace("127.0.0.1:8090", `127.0.0.1:${port}`)
    .replace("127.0.0.1:9098", `127.0.0.1:${admin}`)
    .replace("cargo run --release -p rts-gateway", `exec ${join(binaries, "rts-gateway")}`);
  const gateway = spawn("bash", ["-c", begin], { stdio: ["ignore", "ignore", "inherit"], env: { ...process.env, RTS_LOG: "error" } });
  const ended = new Promise((resolve) => gateway.once("exit", resolve));
  t.after(async () => {
    gateway.kill("SIGKILL");
    await ended;
  });
  const url = `http://127.0.0.1:${port}`;
  await until(() => fetch(`${url}/readyz`).then(({ ok }) => ok, () => false), "it is ready", 30_000);
  const asked = { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ userId: "ann-by-hand", orgId: "acme" }) };
  const { token } = await (await fetch(`${url}/dev/token`, asked)).json();
  const ann = await new ChatClient({ url: `${url}/hubs/chat`, user: "ann-by-hand", token: () => token }).start();
  const bob = await cluster.connect("bob-of-the-cluster");
  const roomId = await makeDirect(ann, bob);
  await ann.call("SendMessage", { roomId, clientId: randomUUID(), body: "by hand" });
  await until(() => bob.rooms.get(roomId)?.some(({ message }) => message?.body === "by hand"), "the message, on another node");
  await Promise.all([ann.stop(), bob.stop()]);
});
