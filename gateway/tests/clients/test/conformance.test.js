// The protocol, case by case, on two nodes: everything that stock clients depend on but do not show. Each section
// also runs alone: `node --test test/conformance/handshake.test.js`.

import "./conformance/close.test.js";
import "./conformance/cluster.test.js";
import "./conformance/handshake.test.js";
import "./conformance/json.test.js";
import "./conformance/keep-alive.test.js";
import "./conformance/long-polling.test.js";
import "./conformance/msgpack.test.js";
import "./conformance/negotiate.test.js";
import "./conformance/sse.test.js";
import "./conformance/stateful.test.js";
import "./conformance/streams.test.js";
import "./conformance/websocket.test.js";
