import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { HubConnectionBuilder, LogLevel } from '@microsoft/signalr';
import { until } from './support.mjs';

const REPOSITORY = fileURLToPath(new URL('../../../', import.meta.url));

const APP = fileURLToPath(new URL('../dist', import.meta.url));

/**
 * A private cluster on free ports, whose gateways serve the built app: the fixture of `cargo local`, driven by
 * lines on its standard input.
 */
export class Cluster {
  #process;
  #waiting = [];

  static async start(...options) {
    const cluster = new Cluster();
    const built = process.env.RTS_BIN_DIR;
    const [program, args] = built ? [join(built, 'rts-local'), []] : ['cargo', ['local']];
    cluster.#process = spawn(program, [...args, 'fixture', '--web-root', APP, ...options], { cwd: REPOSITORY, stdio: ['pipe', 'pipe', 'inherit'] });
    cluster.ended = new Promise((resolve) => cluster.#process.once('exit', resolve));
    createInterface({ input: cluster.#process.stdout }).on('line', (line) => cluster.#waiting.shift()?.(JSON.parse(line)));
    const info = await Promise.race([new Promise((resolve) => cluster.#waiting.push(resolve)), cluster.ended]);
    if (typeof info !== 'object') throw new Error(`the fixture ended with ${info}`);
    return Object.assign(cluster, info);
  }

  /** Sends the fixture a command, such as `kill gateway-1`. */
  async command(line) {
    const answer = new Promise((resolve) => this.#waiting.push(resolve));
    this.#process.stdin.write(`${line}\n`);
    const { ok, error } = await answer;
    if (!ok) throw new Error(`${line}: ${error}`);
  }

  async stop() {
    this.#process.stdin.end();
    await this.ended;
  }

  /** The number of connections of each node, from its metrics; 0 for a dead node. */
  connections() {
    return Promise.all(
      this.admins.map(async (admin) => {
        const text = await fetch(`${admin}/metrics`).then((reply) => reply.text(), () => '');
        const samples = [...text.matchAll(/^rts_connections(?:\{[^}]*\})? (\S+)$/gm)];
        return samples.reduce((sum, [, value]) => sum + Number(value), 0);
      }),
    );
  }

  /** Runs `connect`, which opens one connection, and returns the number of its node. */
  async nodeOf(connect) {
    const before = await this.connections();
    await connect();
    const risen = (now) => now.findIndex((count, node) => count > before[node]);
    return until(async () => risen(await this.connections()) + 1, 'a connection is counted');
  }

  /** A plain SignalR client, for steps that would take too long in a browser. */
  async client(userId, name, orgId = 'acme') {
    const body = JSON.stringify({ userId, orgId, name });
    const reply = await fetch(`${this.balancer}/dev/token`, { method: 'POST', headers: { 'content-type': 'application/json' }, body });
    const { token } = await reply.json();
    const hub = new HubConnectionBuilder()
      .withUrl(`${this.balancer}/hubs/chat`, { accessTokenFactory: () => token })
      .configureLogging(LogLevel.None)
      .build();
    await hub.start();
    return hub;
  }
}
