// The largest calls that the documented limits allow: each fits into one record.

import assert from "node:assert/strict";
import { randomBytes, randomUUID } from "node:crypto";
import { test } from "node:test";

import { cast, makeDirect, send } from "../../lib/cast.js";

const BODY_BYTES = 16 * 1024;
const MEMBERS = 1000;
const RESUME_ROOMS = 1000;

export function sizes(shared) {
  test("a body of 16 KiB arrives unchanged, whatever its characters", { timeout: 60_000 }, async (t) => {
    const [ann, bob] = await cast(t, shared.cluster, "ann", "bob");
    const roomId = await makeDirect(ann, bob);
    const bodies = ['"', "\\", "\n", "\t", "\u0001", "\u007f", "<", "é", "한", "🙂"].map((each) => each.repeat(BODY_BYTES / Buffer.byteLength(each)));
    for (const [index, body] of bodies.entries()) {
      const { seq } = await send(index % 2 ? ann : bob, roomId, body);
      for (const client of [ann, bob]) {
        const { message } = await client.event(roomId, "MessageCreated", (event) => event.seq === seq);
        assert.ok(message.body === body, `body ${index}`);
      }
      const edited = await (index % 2 ? ann : bob).call("EditMessage", { roomId, seq, body: body.slice(0, -2) });
      assert.ok(edited.message.body === body.slice(0, -2), `edited body ${index}`);
    }
  });

  for (const [what, id] of [["UUIDs", randomUUID], ["ids of 128 bytes", () => `"${randomBytes(63).toString("hex")}"`]]) {
    test(`a room of 1 000 members is created in one call, by ${what}`, { timeout: 120_000 }, async (t) => {
      const [ann] = await cast(t, shared.cluster, "ann");
      const memberIds = Array.from({ length: MEMBERS - 1 }, id);
      const { room } = await ann.call("CreateRoom", { kind: "group", memberIds });
      assert.deepEqual([room.memberCount, room.members.length], [MEMBERS, MEMBERS]);
    });
  }

  test("a resume of 1 000 rooms fits into one call", async (t) => {
    const [ann] = await cast(t, shared.cluster, "ann");
    const rooms = Array.from({ length: RESUME_ROOMS }, () => ({ roomId: `g_${randomBytes(16).toString("base64url")}`, seq: Number.MAX_SAFE_INTEGER }));
    const { left } = await ann.call("Resume", { rooms });
    assert.deepEqual(left, rooms.map(({ roomId }) => roomId));
  });
}
