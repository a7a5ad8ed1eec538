// The transports by hand: what a stock client does, one step at a time, and what it would never do.

import assert from "node:assert/strict";

import { WebSocket } from "ws";

import { until, within } from "../wait.js";
import { ANSWER_MS, open, send } from "./http.js";
import { ACCEPTED, RS, handshake, parseBytes, parseText } from "./records.js";
import { world } from "./section.js";

/** The hub's URL, on a node or behind the balancer. */
export const hub = (node) => world.cluster.hubUrl(node);

/** A user's token; any other fields become claims. */
export const token = (sub, claims = {}) => world.cluster.token({ sub, ...claims });

/** Negotiates and returns the whole response. */
export function negotiate(node, user, query = "negotiateVersion=1", headers = {}) {
  return send("POST", `${hub(node)}/negotiate?${query}`, { token: user && token(user), headers });
}

/** The connection token of a new negotiation. */
export async function connectionToken(node, user, query) {
  const answer = await negotiate(node, user, query);
  assert.equal(answer.status, 200, answer.text);
  return JSON.parse(answer.text).connectionToken;
}

/** The status and text of a refused upgrade; 101 if it succeeds. */
export async function upgrade(url, { user, bearer = user && token(user), headers = {} } = {}) {
  const socket = new WebSocket(url.replace("http", "ws"), {
    headers: bearer ? { authorization: `Bearer ${bearer}`, ...headers } : headers,
  });
  socket.on("error", () => {});
  const answered = new Promise((resolve) => {
    socket.once("unexpected-response", (request, response) => {
      const chunks = [];
      response.on("data", (chunk) => chunks.push(chunk));
      response.once("end", () => {
        request.destroy();
        resolve({ status: response.statusCode, headers: response.headers, text: Buffer.concat(chunks).toString() });
      });
    });
    socket.once("open", () => resolve({ status: 101, headers: {}, text: "" }));
  });
  return within(answered, "an answer to the upgrade", ANSWER_MS).finally(() => socket.terminate());
}

/** A WebSocket and each message received: `{data, binary}`. */
export class Socket {
  static async open({ node, user, id, bearer = token(user), query = "", headers } = {}) {
    const named = id === undefined ? "" : `&id=${id}`;
    const socket = new Socket();
    socket.ws = new WebSocket(`${hub(node).replace("http", "ws")}?access_token=${bearer}${named}${query}`, { headers });
    socket.messages = [];
    socket.ws.on("message", (data, binary) => socket.messages.push({ data, binary, at: Date.now() }));
    socket.closed = new Promise((resolve) => socket.ws.once("close", (code) => resolve(code)));
    await within(new Promise((resolve, reject) => socket.ws.once("open", resolve).once("error", reject)), "an upgrade", ANSWER_MS);
    return socket;
  }

  /** Opens a WebSocket and completes the handshake. */
  static async joined({ protocol = "json", version = 1, ...options } = {}) {
    const socket = await Socket.open(options);
    socket.protocol = protocol;
    socket.send(handshake(protocol, version));
    await socket.until((messages) => messages.length > 0, "the handshake's answer");
    assert.equal(socket.messages[0].data.toString(), ACCEPTED);
    socket.messages.shift();
    return socket;
  }

  send(data, options) {
    this.ws.send(data, options);
  }

  /** All records received after the handshake. */
  get records() {
    return this.protocol === "messagepack"
      ? this.messages.flatMap(({ data }) => parseBytes(data))
      : this.messages.flatMap(({ data }) => parseText(data.toString()));
  }

  until(condition, what, deadlineMs = ANSWER_MS) {
    return until(() => condition(this.messages), what, deadlineMs);
  }

  /** Waits for a record. */
  async record(matches, what, deadlineMs = ANSWER_MS) {
    const seen = () => `${what}; there are ${JSON.stringify(this.records)}`;
    return until(() => this.records.find(matches), seen, deadlineMs);
  }

  /** Waits for the completion of an invocation. */
  completion(id) {
    const isIt = this.protocol === "messagepack" ? (r) => r[0] === 3 && r[2] === id : (r) => r.type === 3 && r.invocationId === id;
    return this.record(isIt, `a completion of ${id}`);
  }

  /** Waits for the end, and returns its close code. */
  end(deadlineMs = ANSWER_MS) {
    return within(this.closed, "the close", deadlineMs);
  }

  /** Checks that the connection is alive. */
  async lives() {
    const id = `alive-${this.messages.length}-${Math.random()}`;
    this.send(`{"type":1,"target":"ListRooms","arguments":[{}],"invocationId":"${id}"}${RS}`);
    const { result } = await this.completion(id);
    assert.ok(Array.isArray(result.rooms));
  }

  leave() {
    this.ws.terminate();
  }
}

/** A connection made of requests: an event stream or long polls; each request goes to a given node. */
export class Requests {
  static async negotiated(node, user) {
    const requests = new Requests();
    requests.user = user;
    requests.id = await connectionToken(node, user);
    return requests;
  }

  url(node) {
    return `${hub(node)}?id=${this.id}`;
  }

  poll(node, options = {}) {
    return send("GET", this.url(node), { token: token(this.user), ...options });
  }

  post(node, body, headers = { "content-type": "text/plain;charset=UTF-8" }) {
    return send("POST", this.url(node), { token: token(this.user), body, headers });
  }

  delete(node) {
    return send("DELETE", this.url(node), { token: token(this.user) });
  }

  /** Opens the GET for events, whose response does not end. */
  events(node, accept = "text/event-stream") {
    const asked = open("GET", this.url(node), { token: token(this.user), headers: { accept } });
    return within(asked, "the head of an event stream", ANSWER_MS);
  }
}

/** Opens a long-polling connection up to its handshake; `nodes` receive its first poll, its POST and its second poll. */
export async function polled(user, [first, second, third] = [0, 0, 0], protocol = "json") {
  const requests = await Requests.negotiated(first, user);
  const opened = await requests.poll(first);
  assert.deepEqual([opened.status, opened.text], [200, ""]);
  const posted = await requests.post(second, handshake(protocol));
  assert.equal(posted.status, 200, posted.text);
  const answer = await requests.poll(third);
  assert.deepEqual([answer.status, answer.text], [200, ACCEPTED]);
  return requests;
}

/** Opens an event stream up to its handshake. Returns it with everything received. */
export async function streamed(user, [first, second] = [0, 0], protocol = "json") {
  const requests = await Requests.negotiated(first, user);
  const stream = await requests.events(first);
  assert.equal(stream.status, 200);
  const posted = await requests.post(second, handshake(protocol));
  assert.equal(posted.status, 200, posted.text);
  await until(() => stream.text.includes(`data: ${ACCEPTED}`), "the handshake's answer on the stream");
  return { requests, stream };
}

/** Parses the records in an event stream's text. */
export function eventsOf(text) {
  const lines = text.split("\r\n").filter((line) => line.startsWith("data: "));
  return lines.map((line) => parseText(line.slice("data: ".length)));
}
