// A private cluster on free ports: the fixture of `cargo local`, driven by lines on its standard input.

import { spawn } from "node:child_process";
import { randomInt } from "node:crypto";
import { connect as connectSocket } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

import { ChatClient } from "./chat-client.js";
import { Dynamo } from "./dynamo.js";
import { userToken } from "./token.js";
import { pause, until, within } from "./wait.js";

const REPOSITORY = fileURLToPath(new URL("../../../../", import.meta.url));
/** Includes a build, unless `cargo local test` made it. */
const START_MS = 170_000;
const COMMAND_MS = 70_000;
const HUB = "/hubs/chat";

/** The fixture's program and arguments: the binary that `cargo local test` built, or cargo. */
function fixture(options) {
  const built = process.env.RTS_BIN_DIR;
  if (built) return [join(built, "rts-local"), ["fixture", ...options]];
  return ["cargo", ["local", "fixture", ...options]];
}

/** A running cluster. */
export class Cluster {
  #process;
  #answers = [];

  /**
   * Starts a cluster and waits until it is ready.
   * @param {string[]} options of `rts-local fixture`
   */
  static async start(options = []) {
    const cluster = new Cluster();
    try {
      await cluster.#start(options);
    } catch (error) {
      cluster.#process?.kill("SIGTERM");
      throw error;
    }
    return cluster;
  }

  async #start(options) {
    const [program, args] = fixture(options);
    this.#process = spawn(program, args, { cwd: REPOSITORY, stdio: ["pipe", "pipe", "inherit"] });
    this.exited = new Promise((resolve) => this.#process.once("exit", resolve));
    const lines = createInterface({ input: this.#process.stdout });
    lines.on("line", (line) => this.#answers.shift()?.resolve(line));
    void this.exited.then((code) => {
      for (const { reject } of this.#answers.splice(0)) reject(new Error(`the fixture ended with ${code}`));
    });
    this.#process.stdin.on("error", () => {});
    this.info = JSON.parse(await within(this.#answer(), "the cluster's start", START_MS));
    this.jwt = this.info.jwt;
    const { endpoint, region, accessKeyId, secretAccessKey, outputs } = this.info.aws;
    const tables = { rooms: outputs.roomsTableName, messages: outputs.messagesTableName, archive: outputs.archiveTableName };
    this.dynamo = new Dynamo({ endpoint, region, accessKeyId, secretAccessKey, tables });
  }

  #answer() {
    return new Promise((resolve, reject) => this.#answers.push({ resolve, reject }));
  }

  /** Sends the fixture a command, such as `kill gateway-1`, and returns its answer. */
  async command(line) {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) throw new Error("the fixture has ended");
    const answer = this.#answer();
    this.#process.stdin.write(`${line}\n`);
    const result = JSON.parse(await within(answer, line, COMMAND_MS));
    if (!result.ok) throw new Error(`${line}: ${result.error}`);
    return result;
  }

  /** The processes and their states, to report with a failure. */
  async health() {
    try {
      const { parts } = await this.command("status");
      return parts.map(({ name, state }) => `${name} ${state}`).join(", ");
    } catch (error) {
      return String(error);
    }
  }

  /** Stops everything. */
  async stop() {
    this.#process.stdin.end();
    await within(this.exited, "the cluster's end", COMMAND_MS).catch(() => this.#process.kill("SIGKILL"));
  }

  /** The hub's URL, behind the balancer or on one node. */
  hubUrl(node) {
    return `${node === undefined ? this.info.balancer : this.info.gateways[node]}${HUB}`;
  }

  /** Creates a token; for the fields see {@link userToken}. */
  token(claims) {
    return userToken(this.jwt, claims);
  }

  /**
   * Connects a user; every event from now on reaches it.
   * @param {object} [options] `node` (else through the balancer), `version`, `org`, `name`, `ttlSeconds`, `reconnect`
   */
  async connect(user, { node, org, name, ttlSeconds, ...options } = {}) {
    const claims = { sub: user, org, name, ttlSeconds };
    const url = this.hubUrl(node);
    if (node === undefined) await this.shuffle();
    return new ChatClient({ url, user, token: () => this.token(claims), ...options }).start();
  }

  /**
   * Advances the balancer's turn at random. A client's start takes two requests, so without this the second of
   * them would reach the same node every time.
   */
  async shuffle() {
    if (randomInt(2) === 0) await fetch(`${this.info.balancer}/livez`, { signal: AbortSignal.timeout(10_000) });
  }

  /** Connects two users through the balancer until they are on different nodes; for the options see {@link connect}. */
  async connectApart([one, other], [versionOfOne, versionOfOther], options = {}) {
    const before = await this.#settled();
    const first = await this.connect(one, { ...options, version: versionOfOne });
    const nodeOfFirst = await this.#risen(before);
    for (let attempt = 0; attempt < 40; attempt += 1) {
      const since = await this.connections();
      const second = await this.connect(other, { ...options, version: versionOfOther });
      if ((await this.#risen(since)) !== nodeOfFirst) return [first, second];
      await second.stop();
      await until(async () => sum(await this.connections()) === sum(since), "a connection is gone");
    }
    throw new Error("the balancer puts everyone on one node");
  }

  /** Returns the connection counts once no earlier connection is still closing. */
  async #settled() {
    let last = await this.connections();
    return until(async () => {
      await pause(250);
      const now = await this.connections();
      const settled = now.every((count, node) => count === last[node]) && now;
      last = now;
      return settled;
    }, "connections settle");
  }

  async #risen(before) {
    return until(async () => {
      const now = await this.connections();
      const node = now.findIndex((count, index) => count > before[index]);
      return node >= 0 && { node };
    }, "a connection is counted").then(({ node }) => node);
  }

  /** The number of connections of each node, from its metrics. */
  connections() {
    return Promise.all(this.info.admins.map((_, node) => this.metric(node, "rts_connections")));
  }

  /** The sum of a metric over its labels on one node. */
  async metric(node, name) {
    const response = await fetch(`${this.info.admins[node]}/metrics`, { signal: AbortSignal.timeout(10_000) });
    const text = await response.text();
    const samples = text.split("\n").filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `));
    return sum(samples.map((line) => Number(line.slice(line.lastIndexOf(" ") + 1))));
  }

  /** Sends a command to the first Redis server, and returns its reply as a line. */
  async redis(command) {
    const [url] = this.info.redis.split(",");
    const { hostname, port } = new URL(url);
    const socket = connectSocket({ host: hostname, port: Number(port) });
    try {
      const reply = new Promise((resolve, reject) => {
        socket.once("data", (data) => resolve(data.toString().trimEnd()));
        socket.once("error", reject);
      });
      socket.write(`${command}\r\n`);
      return await within(reply, command);
    } finally {
      socket.destroy();
    }
  }
}

const sum = (numbers) => numbers.reduce((total, number) => total + number, 0);
