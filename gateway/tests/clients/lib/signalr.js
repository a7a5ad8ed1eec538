// The stock clients under test, by major version, and the protocols they speak.

import { createRequire } from "node:module";

// The 5.0 client binds `fetch` to it, also in Node.
globalThis.self ??= globalThis;

const require = createRequire(import.meta.url);

/** The stock clients by major version. */
export const CLIENTS = new Map([
  [10, require("@microsoft/signalr")],
  [8, require("signalr-8")],
  [5, require("signalr-5")],
]);

/** The MessagePack protocol of each version. */
const MESSAGE_PACK = new Map([
  [10, require("@microsoft/signalr-protocol-msgpack")],
  [8, require("msgpack-8")],
  [5, require("msgpack-5")],
]);

/** The newest and the oldest stock clients. */
export const VERSIONS = [10, 5];

/** The protocol for a stock client's builder, unless it is JSON. */
export function hubProtocol(version, name) {
  if (name !== "messagepack") throw new Error(`there is no protocol ${name}`);
  const { MessagePackHubProtocol } = MESSAGE_PACK.get(version);
  return new MessagePackHubProtocol();
}
