// The two stock clients under test, by major version.

import { createRequire } from "node:module";

// The 5.0 client binds `fetch` to it, also in Node.
globalThis.self ??= globalThis;

const require = createRequire(import.meta.url);

/** The stock clients by major version. */
export const CLIENTS = new Map([
  [10, require("@microsoft/signalr")],
  [5, require("signalr-5")],
]);

/** Major versions of the stock clients. */
export const VERSIONS = [...CLIENTS.keys()];
