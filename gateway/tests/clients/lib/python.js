// The stock Python client, `signalrcore`, in its own process.

import { spawn } from "node:child_process";
import { access } from "node:fs/promises";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

import { within } from "./wait.js";

const SCRIPT = fileURLToPath(new URL("../python/talk.py", import.meta.url));
/** `cargo local test` creates the environment and passes its interpreter; a manual run uses the one of the last such run. */
const PYTHON =
  process.env.RTS_SIGNALRCORE_PYTHON ??
  fileURLToPath(new URL("../../../../.local/python/signalrcore-1.0.2/bin/python", import.meta.url));
const CONNECT_MS = 30_000;
const TALK_MS = 90_000;

/** Fails with instructions if no interpreter has the client. */
export async function ensurePython() {
  await access(PYTHON).catch(() => {
    throw new Error("no Python with signalrcore here: run `cargo local test clients` once");
  });
}

/** One connection of the Python client, which runs its script unattended. */
export class PythonClient {
  /** Its protocols with their transports. Its long polling fails: it posts before its first poll, and reads one record per response. */
  static KINDS = [
    ["json", "WebSockets"],
    ["json", "ServerSentEvents"],
    ["messagepack", "WebSockets"],
  ].map(([protocol, transport]) => ({ client: "signalrcore 1.0.2", protocol, transport }));

  #lines;
  #process;

  /** Starts the process and waits until it is connected. */
  static async start(kind, request) {
    const client = new PythonClient();
    client.#process = spawn(PYTHON, [SCRIPT], { stdio: ["pipe", "pipe", "inherit"] });
    client.#lines = createInterface({ input: client.#process.stdout })[Symbol.asyncIterator]();
    client.#process.stdin.end(JSON.stringify({ ...request, protocol: kind.protocol, transport: kind.transport }));
    const { connected } = await client.#line("its connection", CONNECT_MS);
    if (!connected) throw new Error("it did not connect");
    return client;
  }

  async #line(what, deadlineMs) {
    const { value, done } = await within(this.#lines.next(), what, deadlineMs);
    if (done) throw new Error(`the Python client ended before ${what}`);
    return JSON.parse(value);
  }

  /** The outcome: `{acks, heard, errors}`. */
  result() {
    return this.#line("its result", TALK_MS);
  }

  kill() {
    this.#process.kill("SIGKILL");
  }
}
