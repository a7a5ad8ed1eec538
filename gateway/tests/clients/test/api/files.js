// CreateUpload, messages with files, GetAttachmentUrl. The storage is the stand-in, which checks signatures over
// every signed header, hashes and conditions as S3 does.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";

import { AwsClient } from "aws4fetch";

import { cast, makeDirect, makeGroup, person, send } from "../../lib/cast.js";
import { until } from "../../lib/wait.js";

const NAME = "보고서 \"1\" \u{1F4C4}.pdf";
const DOCUMENT = Buffer.from("%PDF-1.7 every byte of it");
/** A single pixel. */
const PICTURE = Buffer.from("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==", "base64");

const sha256 = (bytes) => createHash("sha256").update(bytes).digest("hex");
const promise = (bytes = DOCUMENT, more = {}) => ({
  fileName: NAME,
  contentType: "application/pdf",
  sizeBytes: bytes.length,
  sha256: sha256(bytes),
  ...more,
});

async function put({ url, method, headers }, bytes = DOCUMENT, changes = {}) {
  const sent = Object.fromEntries(Object.entries({ ...headers, ...changes }).filter(([, value]) => value !== undefined));
  return fetch(url, { method, headers: sent, body: bytes, signal: AbortSignal.timeout(20_000) });
}

/** Begins an upload and puts the file; returns the ticket. */
async function upload(client, roomId, bytes = DOCUMENT, more = {}) {
  const ticket = await client.call("CreateUpload", { roomId, ...promise(bytes, more) });
  const response = await put(ticket, bytes);
  assert.equal(response.status, 200, await response.text());
  return ticket;
}

const sendFiles = (client, roomId, attachmentIds, more = {}) =>
  send(client, roomId, "", { attachmentIds, ...more });

async function download(client, roomId, attachmentId) {
  const { url, expiresAt } = await client.call("GetAttachmentUrl", { roomId, attachmentId });
  const left = Date.parse(expiresAt) - Date.now();
  assert.ok(left > 0 && left <= 301_000, expiresAt);
  return fetch(url, { signal: AbortSignal.timeout(20_000) });
}

export function files(shared) {
  test("a file is uploaded, sent in a message, and downloaded byte for byte", async (t) => {
    const [ann, bob] = await cast(t, shared.cluster, "ann", "bob");
    const roomId = await makeDirect(ann, bob);
    const ticket = await ann.call("CreateUpload", { roomId, ...promise() });
    assert.deepEqual(Object.keys(ticket).sort(), ["attachmentId", "expiresAt", "headers", "method", "url"]);
    assert.ok(!decodeURIComponent(ticket.url).includes("보고서"), "no name of the user's is in a key");
    const left = Date.parse(ticket.expiresAt) - Date.now();
    assert.ok(left > 200_000 && left <= 301_000, ticket.expiresAt);
    assert.equal((await put(ticket)).status, 200);
    const picture = await upload(bob, roomId, PICTURE, { fileName: "a b.png", contentType: "image/png" });

    const { attachmentId } = ticket;
    const sent = await sendFiles(ann, roomId, [attachmentId]);
    const attachments = [{ attachmentId, fileName: NAME, contentType: "application/pdf", sizeBytes: DOCUMENT.length }];
    for (const client of [ann, bob]) {
      const { message } = await client.event(roomId, "MessageCreated", ({ seq }) => seq === sent.seq);
      assert.deepEqual([message.body, message.attachments], ["", attachments]);
      assert.deepEqual((await client.call("GetHistory", { roomId })).messages.at(-1), message);
      const response = await download(client, roomId, attachmentId);
      assert.equal(response.status, 200);
      assert.deepEqual(Buffer.from(await response.arrayBuffer()), DOCUMENT);
      assert.equal(response.headers.get("content-type"), "application/pdf");
      const disposition = response.headers.get("content-disposition");
      assert.match(disposition, /^attachment; filename="[ -~]+"; filename\*=UTF-8''/);
      assert.equal(decodeURIComponent(disposition.split("UTF-8''")[1]), NAME);
    }
    const stored = async () => (await shared.cluster.dynamo.messages(roomId, [sent.seq])).find(({ seq }) => seq === sent.seq);
    await until(async () => (await stored())?.attachments?.length === 1, "the message is stored", 20_000, 200);
    assert.deepEqual((await stored()).attachments, attachments);

    await send(bob, roomId, "look", { attachmentIds: [picture.attachmentId] });
    const shown = await download(ann, roomId, picture.attachmentId);
    assert.equal(shown.headers.get("content-type"), "image/png");
    assert.deepEqual(Buffer.from(await shown.arrayBuffer()), PICTURE);
  });

  test("a signed URL uploads its own file, once, and no other", async (t) => {
    const [ann, bob] = await cast(t, shared.cluster, "ann", "bob");
    const roomId = await makeDirect(ann, bob);
    const ticket = await ann.call("CreateUpload", { roomId, ...promise() });
    const other = await ann.call("CreateUpload", { roomId, ...promise() });
    const moved = (from, to) => ({ ...ticket, url: ticket.url.replace(from, to) });
    for (const [what, changed, bytes, headers] of [
      ["size", ticket, Buffer.concat([DOCUMENT, DOCUMENT])],
      ["hash", ticket, Buffer.from(DOCUMENT.toString().replace("every", "EVERY"))],
      ["type", ticket, DOCUMENT, { "content-type": "text/html" }],
      ["no hash", ticket, DOCUMENT, { "x-amz-checksum-sha256": undefined }],
      ["no condition", ticket, DOCUMENT, { "if-none-match": undefined }],
      ["key", moved(ticket.attachmentId, other.attachmentId), DOCUMENT],
      ["life", moved("X-Amz-Expires=300", "X-Amz-Expires=604800"), DOCUMENT],
      ["method", { ...ticket, method: "DELETE" }, undefined],
    ]) {
      const { status } = await put(changed, bytes, headers);
      assert.ok(status >= 400 && status < 500, `${what}: ${status}`);
    }
    for (const { attachmentId } of [ticket, other]) {
      assert.equal((await ann.refusal("SendMessage", { roomId, clientId: "c", attachmentIds: [attachmentId] })).code, "notFound");
    }
    assert.equal((await put(ticket)).status, 200);
    assert.equal((await put(ticket)).status, 412, "what is there is not overwritten");
    // A URL for downloading allows nothing else.
    await sendFiles(ann, roomId, [ticket.attachmentId]);
    const { url } = await bob.call("GetAttachmentUrl", { roomId, attachmentId: ticket.attachmentId });
    for (const changed of [url.replace(ticket.attachmentId, other.attachmentId), url.replace("attachment%3B", "inline%3B")]) {
      assert.notEqual(changed, url);
      assert.equal((await fetch(changed)).status, 403);
    }
    assert.equal((await fetch(url, { method: "DELETE" })).status, 403);
  });

  test("an upload that differs from its announcement is not accepted", async (t) => {
    const [ann, bob] = await cast(t, shared.cluster, "ann", "bob");
    const roomId = await makeDirect(ann, bob);
    const { accessKeyId, secretAccessKey, region } = shared.cluster.info.aws;
    // Written directly into the bucket, which no client can do: the gateway checks the object itself.
    const operator = new AwsClient({ accessKeyId, secretAccessKey, region, service: "s3", retries: 0 });
    for (const [bytes, changes] of [
      [Buffer.concat([DOCUMENT, DOCUMENT]), {}],
      [Buffer.from(DOCUMENT.toString().replace("every", "EVERY")), {}],
      [DOCUMENT, { "content-type": "text/html" }],
      [DOCUMENT, { "x-amz-meta-rts-file": undefined }],
      [DOCUMENT, { "x-amz-meta-rts-file": "e30" }],
    ]) {
      const ticket = await ann.call("CreateUpload", { roomId, ...promise() });
      const checksum = createHash("sha256").update(bytes).digest("base64");
      const headers = { ...ticket.headers, "x-amz-checksum-sha256": checksum, ...changes };
      for (const name of Object.keys(headers)) if (headers[name] === undefined) delete headers[name];
      const response = await operator.fetch(ticket.url.split("?")[0], { method: "PUT", headers, body: bytes });
      assert.equal(response.status, 200, await response.text());
      const refused = await ann.refusal("SendMessage", { roomId, clientId: "c", attachmentIds: [ticket.attachmentId] });
      assert.equal(refused.code, "notFound", JSON.stringify(changes));
    }
    assert.deepEqual((await bob.call("GetHistory", { roomId })).messages, []);
  });

  test("a file belongs to its room, its sender and its organization", async (t) => {
    const [ann, bob, eve] = await cast(t, shared.cluster, "ann", "bob", "eve");
    const org = person("org");
    const twin = await shared.cluster.connect(ann.user, { org });
    t.after(() => twin.stop());
    const roomId = await makeGroup(ann, [bob]);
    const elsewhere = await makeGroup(ann, [bob, eve]);
    const { room: foreign } = await twin.call("CreateRoom", { kind: "group", memberIds: [] });
    const { attachmentId } = await upload(ann, roomId);
    const using = (client, room, id = attachmentId) =>
      client.refusal("SendMessage", { roomId: room, clientId: "c", body: "mine!", attachmentIds: [id] });
    const getting = (client, room, id = attachmentId) => client.refusal("GetAttachmentUrl", { roomId: room, attachmentId: id });
    // Nobody can read a file before a message has attached it.
    for (const client of [ann, bob]) assert.equal((await getting(client, roomId)).code, "notFound");
    for (const refused of [await using(bob, roomId), await using(ann, elsewhere), await using(eve, elsewhere), await using(twin, foreign.roomId)]) {
      assert.equal(refused.code, "notFound");
    }
    await sendFiles(ann, roomId, [attachmentId]);
    assert.equal((await download(bob, roomId, attachmentId)).status, 200);
    const texts = new Set();
    for (const [client, room] of [[eve, roomId], [twin, roomId]]) {
      const refused = await getting(client, room);
      assert.equal(refused.code, "notFound");
      texts.add(refused.message);
      assert.equal((await client.refusal("CreateUpload", { roomId: room, ...promise() })).code, "notFound");
      assert.equal((await using(client, room)).code, "notFound");
    }
    assert.equal(texts.size, 1, [...texts].join());
    for (const [client, room] of [[ann, elsewhere], [eve, elsewhere], [twin, foreign.roomId]]) {
      assert.equal((await getting(client, room)).code, "notFound");
    }
    for (const id of ["A".repeat(22), "", "x", `${attachmentId}/../x`, "한"]) {
      assert.equal((await getting(ann, roomId, id)).code, "notFound", id);
      // In a list, a malformed id is an invalid element.
      assert.equal((await using(ann, roomId, id)).code, id.length === 22 ? "notFound" : "invalidArgument", id);
    }
    // A user who has left the room can no longer read its files.
    await bob.call("LeaveRoom", { roomId });
    assert.equal((await getting(bob, roomId)).code, "notFound");
  });

  test("common files may be uploaded under the types that browsers assign", { timeout: 60_000 }, async (t) => {
    const roomIds = new Map();
    const types = [
      "application/hwp+zip", "application/vnd.hancom.hwpx", "application/haansofthwpx", "application/x-hwp",
      "application/vnd.ms-excel.sheet.macroEnabled.12", "application/vnd.ms-word.document.macroEnabled.12",
      "application/vnd.ms-powerpoint.presentation.macroEnabled.12", "text/calendar", "message/rfc822", "text/vcard",
      "text/tab-separated-values", "image/vnd.adobe.photoshop", "image/jpg", "application/vnd.rar",
      "application/x-rar-compressed", "application/x-rar",
    ];
    // Several users, because uploads are rate-limited.
    const people = await cast(t, shared.cluster, "ann", "bob");
    for (const client of people) roomIds.set(client, await makeGroup(client));
    for (const [index, contentType] of types.entries()) {
      const client = people[index % people.length];
      const ticket = await client.call("CreateUpload", { roomId: roomIds.get(client), ...promise(), contentType });
      assert.equal(ticket.headers["content-type"], contentType.toLowerCase());
    }
  });

  test("uploads and attachments are limited", async (t) => {
    const [ann] = await cast(t, shared.cluster, "ann");
    const roomId = await makeGroup(ann);
    const empty = await ann.refusal("CreateUpload", { roomId, ...promise(), sizeBytes: 0 });
    assert.match(empty.message, /invalidArgument: The file is empty/);
    for (const [changes, code] of [
      [{ sizeBytes: 100 * 1024 * 1024 + 1 }, "tooLarge"],
      [{ sizeBytes: 0 }, "invalidArgument"],
      [{ sizeBytes: -1 }, "invalidArgument"],
      [{ sizeBytes: 1.5 }, "invalidArgument"],
      [{ contentType: "text/html" }, "invalidArgument"],
      [{ contentType: "image/svg+xml" }, "invalidArgument"],
      [{ contentType: "pdf" }, "invalidArgument"],
      [{ contentType: "" }, "invalidArgument"],
      [{ sha256: sha256(DOCUMENT).toUpperCase() }, "invalidArgument"],
      [{ sha256: sha256(DOCUMENT).slice(1) }, "invalidArgument"],
      [{ fileName: "" }, "invalidArgument"],
      [{ fileName: "../x.pdf" }, "invalidArgument"],
      [{ fileName: "a\nb.pdf" }, "invalidArgument"],
      [{ fileName: "x".repeat(256) }, "invalidArgument"],
    ]) {
      const refused = await ann.refusal("CreateUpload", { roomId, ...promise(), ...changes });
      assert.equal(refused.code, code, `${JSON.stringify(changes).slice(0, 60)}: ${refused.message}`);
    }
    const largest = await ann.call("CreateUpload", { roomId, ...promise(), sizeBytes: 100 * 1024 * 1024 });
    assert.equal(largest.headers["content-type"], "application/pdf");
    const ids = [];
    for (let number = 0; number < 10; number += 1) ids.push((await upload(ann, roomId, Buffer.from(`${number}`))).attachmentId);
    const eleven = [...ids, largest.attachmentId];
    assert.equal((await ann.refusal("SendMessage", { roomId, clientId: "c", attachmentIds: eleven })).code, "tooLarge");
    const twice = [ids[0], ids[0]];
    assert.equal((await ann.refusal("SendMessage", { roomId, clientId: "c", attachmentIds: twice })).code, "invalidArgument");
    assert.equal((await ann.refusal("SendMessage", { roomId, clientId: "c", attachmentIds: [] })).code, "invalidArgument");
    const sent = await sendFiles(ann, roomId, ids);
    const { messages } = await ann.call("GetHistory", { roomId });
    assert.deepEqual(messages.map(({ seq }) => seq), [sent.seq]);
    assert.deepEqual(messages[0].attachments.map(({ attachmentId }) => attachmentId), ids);
    // The text may become empty, as there are files.
    assert.equal((await ann.call("EditMessage", { roomId, seq: sent.seq, body: "" })).message.attachments.length, 10);
  });

  test("a deleted message's file is unreachable; a retry of its send needs no file", async (t) => {
    const [ann, bob, cid] = await cast(t, shared.cluster, "ann", "bob", "cid");
    const roomId = await makeGroup(ann, [bob, cid]);
    const { attachmentId } = await upload(bob, roomId);
    const sent = await sendFiles(bob, roomId, [attachmentId], { clientId: "once" });
    const again = () => bob.call("SendMessage", { roomId, clientId: "once", attachmentIds: [attachmentId] });
    assert.deepEqual([(await again()).seq, (await again()).duplicate], [sent.seq, true]);
    // A rejected delete removes nothing.
    assert.equal((await cid.refusal("DeleteMessage", { roomId, seq: sent.seq })).code, "forbidden");
    assert.equal((await download(cid, roomId, attachmentId)).status, 200);
    const { message } = await ann.call("DeleteMessage", { roomId, seq: sent.seq });
    assert.deepEqual([message.deleted, message.attachments], [true, []]);
    for (const client of [ann, bob, cid]) {
      assert.equal((await client.refusal("GetAttachmentUrl", { roomId, attachmentId })).code, "notFound");
    }
    assert.deepEqual([(await again()).seq, (await again()).duplicate], [sent.seq, true]);
    assert.equal((await ann.refusal("GetAttachmentUrl", { roomId, attachmentId })).code, "notFound");
  });

  test("a file belongs to the first message that has it, also when several are sent at once", async (t) => {
    const [ann, bob] = await cast(t, shared.cluster, "ann", "bob");
    const twin = await shared.cluster.connect(ann.user);
    t.after(() => twin.stop());
    const roomId = await makeGroup(ann, [bob]);
    const { attachmentId } = await upload(ann, roomId);
    const first = await sendFiles(ann, roomId, [attachmentId]);
    const again = await ann.refusal("SendMessage", { roomId, clientId: "other", body: "too", attachmentIds: [attachmentId] });
    assert.equal(again.code, "conflict");
    // Deleted, it still belonged to the first.
    await ann.call("DeleteMessage", { roomId, seq: first.seq });
    const late = await ann.refusal("SendMessage", { roomId, clientId: "late", attachmentIds: [attachmentId] });
    assert.equal(late.code, "conflict");
    for (let time = 0; time < 10; time += 1) {
      const file = (await upload(ann, roomId)).attachmentId;
      const sends = [ann, twin, ann, twin].map((client, index) =>
        client.call("SendMessage", { roomId, clientId: `c${time} ${index}`, attachmentIds: [file] }).then(({ seq }) => seq, (error) => error),
      );
      const results = await Promise.all(sends);
      assert.equal(results.filter(Number.isInteger).length, 1, String(results));
      assert.deepEqual(results.filter(({ code }) => code !== undefined).map(({ code }) => code), ["conflict", "conflict", "conflict"]);
      assert.equal((await download(bob, roomId, file)).status, 200);
    }
  });

  test("a file is served until its message's tombstone stands, and not after, whoever dies in between", async (t) => {
    const [ann, bob] = await cast(t, shared.cluster, "ann", "bob");
    const roomId = await makeGroup(ann, [bob]);
    const { attachmentId, url } = await upload(ann, roomId);
    const { seq } = await sendFiles(ann, roomId, [attachmentId]);
    const { accessKeyId, secretAccessKey, region } = shared.cluster.info.aws;
    const operator = new AwsClient({ accessKeyId, secretAccessKey, region, service: "s3", retries: 0 });
    const tagging = `${url.split("?")[0]}?tagging`;
    // As a gateway leaves it that dies after it has noted the delete.
    const note = async () => {
      const body = `<Tagging><TagSet><Tag><Key>rts-deleting</Key><Value>${seq}</Value></Tag></TagSet></Tagging>`;
      assert.equal((await operator.fetch(tagging, { method: "PUT", body })).status, 200);
    };
    await note();
    assert.equal((await download(bob, roomId, attachmentId)).status, 200);
    await ann.call("DeleteMessage", { roomId, seq });
    assert.match(await (await operator.fetch(tagging)).text(), /rts-unclaimed/);
    // And one that dies after the tombstone: whoever asks next has the file given up.
    await note();
    assert.equal((await bob.refusal("GetAttachmentUrl", { roomId, attachmentId })).code, "notFound");
    assert.match(await (await operator.fetch(tagging)).text(), /rts-unclaimed/);
  });

  test("pages of the app may put and get files, other origins may not", async (t) => {
    const [ann] = await cast(t, shared.cluster, "ann");
    const roomId = await makeGroup(ann);
    const { url, headers } = await ann.call("CreateUpload", { roomId, ...promise() });
    const ask = (origin, method) =>
      fetch(url, {
        method: "OPTIONS",
        headers: {
          origin,
          "access-control-request-method": method,
          "access-control-request-headers": Object.keys(headers).join(","),
        },
      });
    const app = new URL(shared.cluster.info.balancer).origin;
    for (const method of ["PUT", "GET"]) {
      const answer = await ask(app, method);
      assert.equal(answer.status, 200);
      assert.equal(answer.headers.get("access-control-allow-origin"), app);
    }
    assert.equal((await ask("https://elsewhere.example", "PUT")).status, 403);
    assert.equal((await ask(app, "DELETE")).status, 403);
  });

  test("without a bucket, files are unavailable and everything else works", { timeout: 120_000 }, async (t) => {
    const { cluster } = shared;
    const restart = async (value) => {
      await cluster.command(`env gateway-2 RTS_FILES_BUCKET=${value}`);
      await cluster.command("stop gateway-2");
      await cluster.command("start gateway-2");
    };
    await restart("");
    t.after(() => restart(cluster.info.aws.outputs.attachmentsBucketName));
    const ann = await cluster.connect(person("ann"), { node: 1 });
    t.after(() => ann.stop());
    const roomId = await makeGroup(ann);
    for (const [method, request] of [
      ["CreateUpload", promise()],
      ["GetAttachmentUrl", { attachmentId: "A".repeat(22) }],
    ]) {
      assert.equal((await ann.refusal(method, { roomId, ...request })).message, "unavailable: Files are not set up here.");
    }
    const refused = await ann.refusal("SendMessage", { roomId, clientId: "c", attachmentIds: ["A".repeat(22)] });
    assert.equal(refused.code, "notFound");
    const sent = await send(ann, roomId, "text");
    assert.equal((await ann.call("DeleteMessage", { roomId, seq: sent.seq })).message.deleted, true);
  });
}
