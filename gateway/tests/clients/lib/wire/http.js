// HTTP as it comes: exact statuses, headers and bytes, each request on a connection of its own unless told otherwise.

import { request } from "node:http";
import { connect } from "node:net";

import { until, within } from "../wait.js";

/** Of everything that does not wait for something to happen. */
export const ANSWER_MS = 20_000;

/** Sends a request; its answer's head, and its body as it comes. */
export function open(method, url, { token, headers = {}, body, signal } = {}) {
  const bearer = token ? { authorization: `Bearer ${token}` } : {};
  return new Promise((resolve, reject) => {
    const outgoing = request(url, { method, headers: { ...bearer, ...headers }, agent: false, signal }, (incoming) => {
      resolve(new Answer(outgoing, incoming));
    });
    outgoing.once("error", reject);
    outgoing.end(body);
  });
}

/** Sends a request and reads all of its answer: `{status, headers, body, text}`. */
export async function send(method, url, options = {}) {
  const { deadlineMs = ANSWER_MS, ...more } = options;
  const answer = await within(open(method, url, more), `${method} ${url.split("?")[0]}`, deadlineMs);
  return within(answer.whole(), `the body of ${method}`, deadlineMs);
}

/** An answer under way. */
class Answer {
  constructor(outgoing, incoming) {
    this.status = incoming.statusCode;
    this.headers = incoming.headers;
    this.chunks = [];
    this.ended = new Promise((resolve) => {
      incoming.once("end", () => resolve("end"));
      incoming.once("close", () => resolve("close"));
    });
    incoming.on("data", (chunk) => this.chunks.push(chunk));
    incoming.on("error", () => {});
    outgoing.on("error", () => {});
    this.abort = () => outgoing.destroy();
  }

  get body() {
    return Buffer.concat(this.chunks);
  }

  get text() {
    return this.body.toString();
  }

  async whole() {
    await this.ended;
    const { status, headers, body, text } = this;
    return { status, headers, body, text };
  }
}

/** Bytes on a bare TCP connection, and what comes back. */
export class Bare {
  static async open(url) {
    const { hostname, port } = new URL(url);
    const bare = new Bare();
    bare.socket = connect({ host: hostname, port: Number(port) });
    bare.socket.setNoDelay(true);
    bare.received = Buffer.alloc(0);
    bare.socket.on("data", (data) => (bare.received = Buffer.concat([bare.received, data])));
    bare.ended = new Promise((resolve) => bare.socket.once("close", resolve));
    bare.socket.on("error", () => {});
    await within(new Promise((resolve) => bare.socket.once("connect", resolve)), "a TCP connection");
    return bare;
  }

  write(bytes) {
    this.socket.write(bytes);
  }

  /** Waits until the received bytes hold these, and returns what stands before and behind them. */
  async upTo(bytes, deadlineMs = ANSWER_MS) {
    const at = await until(() => this.received.indexOf(bytes) + 1, `${JSON.stringify(bytes)} on the socket`, deadlineMs);
    const before = this.received.subarray(0, at - 1);
    this.received = this.received.subarray(at - 1 + Buffer.byteLength(bytes));
    return before;
  }

  close() {
    this.socket.destroy();
  }
}
