// Nothing is missed after start(): whatever happens from then on reaches the connection, before it has made a call.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { person, send } from "../lib/cast.js";
import { Cluster } from "../lib/cluster.js";
import { KINDS, nameOf } from "../lib/matrix.js";
import { CLIENTS } from "../lib/signalr.js";
import { until } from "../lib/wait.js";

const TIMES = 12;
/** Above the default rate limits: the same people do all this for every kind of client. */
const OPTIONS = ["--env", "gateway:RTS_LIMIT_SEND_RATE=2000", "--env", "gateway:RTS_LIMIT_SEND_BURST=2000"];

let cluster;
before(async () => (cluster = await Cluster.start(OPTIONS)), { timeout: 180_000 });
after(() => cluster?.stop());

describe("from start() on", { concurrency: 2 }, () => {
  for (const kind of [...KINDS, { ...KINDS[0], stateful: true }]) {
    test(`nothing is missed: ${nameOf(kind)}${kind.stateful ? ", stateful" : ""}`, { timeout: 120_000 }, async (t) => {
      const owner = await cluster.connect(person("owner"));
      t.after(() => owner.stop());
      for (let time = 0; time < TIMES; time += 1) await newcomer(owner, kind);
    });
  }
});

/** Somebody connects, and at once a message is sent, a room is made, and they are removed from another one. */
async function newcomer(owner, { version, protocol, transport, stateful }) {
  const user = person("new");
  const room = async (memberIds = [user]) => (await owner.call("CreateRoom", { kind: "group", memberIds })).room.roomId;
  const [talk, farewell] = [await room(), await room()];
  const client = await cluster.connect(user, {
    version,
    protocol,
    stateful,
    transport: CLIENTS.get(version).HttpTransportType[transport],
  });
  try {
    const [first, welcome] = await Promise.all([
      send(owner, talk, "at once"),
      room(),
      owner.call("RemoveMember", { roomId: farewell, userId: user }),
    ]);
    await client.notice("RoomAdded", (added) => added.room.roomId === welcome);
    await client.notice("RoomRemoved", ({ roomId }) => roomId === farewell);
    const heard = () => client.events(talk).some(({ message }) => message?.seq === first.seq);
    await until(heard, "the message is heard");
    assert.equal(client.closed, undefined);
  } finally {
    await client.stop();
  }
}
