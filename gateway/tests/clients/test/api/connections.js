// The limit on a user's connections.

import assert from "node:assert/strict";
import { test } from "node:test";

import { person } from "../../lib/cast.js";
import { ChatClient } from "../../lib/chat-client.js";
import { until } from "../../lib/wait.js";

const MOST = 20;

export function connectionLimits(shared) {
  test("a user has at most 20 connections across all nodes; the next one is closed for good", { timeout: 60_000 }, async (t) => {
    const user = person("many");
    const clients = [];
    t.after(() => Promise.all(clients.map((client) => client.stop())));
    for (let number = 0; number < MOST; number += 1) {
      clients.push(await shared.cluster.connect(user, { node: number % 2, version: number % 3 ? 10 : 5 }));
    }
    const url = shared.cluster.hubUrl(0);
    const token = () => shared.cluster.token({ sub: user });
    const surplus = new ChatClient({ url, user, token, reconnect: [0, 0, 0] });
    // Rejected at once: the start fails, or the close arrives right after it.
    const refused = await surplus.start().then(
      () => until(() => surplus.closed, "the 21st is closed").then(({ error }) => error),
      (error) => error,
    );
    assert.match(String(refused?.message), /too many connections/i);
    assert.deepEqual([surplus.reconnects, surplus.connected], [0, false]);
    assert.ok(clients.slice(0, MOST).every((client) => client.connected));
    await clients[0].stop();
    const next = await until(() => shared.cluster.connect(user, { node: 1 }).catch(() => undefined), "a place that became free", 20_000, 200);
    clients.push(next);
  });
}
