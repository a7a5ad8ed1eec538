// Plain HTTP: exact statuses, headers and bytes, each request on its own connection by default.

import { request } from "node:http";
import { connect } from "node:net";

import { until, within } from "../wait.js";

/** Deadline of everything that does not wait for an event. */
export const ANSWER_MS = 20_000;

/** Sends a request; resolves with the response's head, and its body as it arrives. */
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

/** Sends a request and reads the whole response: `{status, headers, body, text}`. */
export async function send(method, url, options = {}) {
  const { deadlineMs = ANSWER_MS, ...more } = options;
  const answer = await within(open(method, url, more), `${method} ${url.split("?")[0]}`, deadlineMs);
  return within(answer.whole(), `the body of ${method}`, deadlineMs);
}

/** A response in progress. */
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

/** Bytes on a bare TCP connection, and those received. */
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

  /** Waits until the received bytes contain these, and returns what precedes and follows them. */
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
