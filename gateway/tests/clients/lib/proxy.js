// A TCP proxy between a client and a chosen node: simulates network faults on demand.

import { connect, createServer } from "node:net";

/** Listens on a free port; new connections go to the URL `target`, which may change at any time. */
export class Proxy {
  #sockets = new Set();

  static async to(target) {
    const proxy = new Proxy();
    proxy.target = target;
    proxy.#server = createServer((client) => proxy.#join(client));
    await new Promise((resolve) => proxy.#server.listen(0, "127.0.0.1", resolve));
    return proxy;
  }

  #server;

  get url() {
    return `http://127.0.0.1:${this.#server.address().port}`;
  }

  #join(client) {
    const { hostname, port } = new URL(this.target);
    const server = connect(Number(port), hostname);
    for (const socket of [client, server]) {
      this.#sockets.add(socket);
      socket.on("error", () => {});
      socket.on("close", () => {
        this.#sockets.delete(socket);
        client.destroy();
        server.destroy();
      });
    }
    client.pipe(server);
    server.pipe(client);
  }

  /** Breaks all connections as a network does: without a closing handshake. */
  drop() {
    for (const socket of this.#sockets) socket.resetAndDestroy();
  }

  stop() {
    this.drop();
    this.#server.close();
  }
}
