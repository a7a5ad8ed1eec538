// The protocol, case by case, on two nodes: everything that stock clients depend on and would not show. Each section
// also runs alone: `node --test test/conformance/handshake.test.js`. Not among them until the gateway has both: `stateful` and
// `streams`, which are written to the contract and have not been run against an implementation.

import "./conformance/close.test.js";
import "./conformance/cluster.test.js";
import "./conformance/handshake.test.js";
import "./conformance/json.test.js";
import "./conformance/keep-alive.test.js";
import "./conformance/long-polling.test.js";
import "./conformance/msgpack.test.js";
import "./conformance/negotiate.test.js";
import "./conformance/sse.test.js";
import "./conformance/websocket.test.js";
