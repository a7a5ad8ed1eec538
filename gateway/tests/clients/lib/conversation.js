// Two users on different nodes talk in a direct room and in a group of twenty. Checks everything:
// one order for all, exact unread counts, receipts, and finally DynamoDB.

import assert from "node:assert/strict";

import { ROOM_EVENTS } from "./chat-client.js";
import { Ledger, essence } from "./ledger.js";
import { historyOf } from "./resilient-client.js";
import { edit, remove, say, talk } from "./talk.js";
import { until } from "./wait.js";

const GROUP = 20;
/** The guarantee: everything is in DynamoDB within this time. */
const STORED_WITHIN_MS = 10_000;
const HEARD_WITHIN_MS = 20_000;

/**
 * Runs the conversation and checks it.
 * @param {object} cluster
 * @param {{name: string, versions: [number, number], messages: number}} options `name` makes user ids unique to a run; `versions`
 *   of the two users' clients; `messages` sent by both together
 */
export async function converse(cluster, { name, versions, messages }) {
  const ledger = new Ledger();
  const [ann, bob] = await cluster.connectApart([`ann-${name}`, `bob-${name}`], versions);
  const others = [];
  for (let number = 2; number < GROUP; number += 1) {
    others.push(await cluster.connect(`u${number}-${name}`, { version: versions[number % 2] }));
  }
  const everyone = [ann, bob, ...others];
  try {
    const direct = await makeRoom({ kind: "direct" }, ann, [bob]);
    const group = await makeRoom({ kind: "group", name: `Group ${name}` }, ann, [bob, ...others]);
    const rooms = [
      { roomId: direct, members: [ann, bob] },
      { roomId: group, members: everyone },
    ];
    const each = Math.ceil(messages / 2 / rooms.length);
    await firstHalf(ledger, rooms, Math.floor(each / 2));
    await secondHalf(ledger, rooms, each - Math.floor(each / 2));
    for (const room of rooms) await checkHeard(ledger, room);
    for (const room of rooms) await checkHistory(ledger, room);
    await checkStored(cluster, ledger, rooms);
    await checkToldStored(ledger, rooms);
    return { sent: rooms.reduce((sum, { roomId }) => sum + ledger.messages(roomId).length, 0) };
  } finally {
    await Promise.all(everyone.map((client) => client.stop()));
  }
}

async function makeRoom(request, owner, others) {
  const memberIds = others.map(({ user }) => user);
  const { room } = await owner.call("CreateRoom", { ...request, memberIds });
  assert.equal(room.memberCount, others.length + 1);
  const { roomId } = room;
  for (const member of [owner, ...others]) {
    const notice = await member.notice("RoomAdded", (added) => added.room.roomId === roomId);
    assert.equal(notice.room.headSeq, 0);
  }
  return roomId;
}

async function firstHalf(ledger, rooms, each) {
  await Promise.all(rooms.map(({ roomId, members }) => talk(ledger, roomId, members.slice(0, 2), each)));
  // Nobody has read anything yet.
  for (const room of rooms) await checkUnread(ledger, room, new Map());
  // In each room, one user reads everything, one reads half, and one only receives.
  for (const room of rooms) await readSome(ledger, room);
}

async function readSome(ledger, { roomId, members }) {
  const all = ledger.messages(roomId);
  const [head, middle] = [all.at(-1), all[Math.floor(all.length / 2)]];
  const [first, second, third] = members;
  const marks = new Map();
  await mark(first, "MarkRead", "readSeq", roomId, head.seq, marks);
  await mark(second, "MarkRead", "readSeq", roomId, middle.seq, marks);
  // Marks never go back.
  assert.deepEqual(await second.call("MarkRead", { roomId, seq: all[0].seq }), { readSeq: middle.seq });
  await mark(second, "MarkDelivered", "deliveredSeq", roomId, head.seq, marks);
  if (third) await mark(third, "MarkDelivered", "deliveredSeq", roomId, head.seq, marks);
  await checkUnread(ledger, { roomId, members }, new Map([[first.user, head.seq], [second.user, middle.seq]]));
  for (const member of members) await checkReceipts(member, roomId, marks);

  // Deleting an unread message lowers the unread count; deleting a read one does not.
  const mine = all.filter(({ senderId, deleted }) => senderId === first.user && !deleted);
  await remove(ledger, roomId, first, mine.at(-1).seq);
  await remove(ledger, roomId, first, mine[0].seq);
  // The owner may delete messages of others.
  if (members.length > 2) {
    const theirs = all.filter(({ senderId, deleted }) => senderId === second.user && !deleted);
    await remove(ledger, roomId, first, theirs.at(-1).seq);
  }
  await checkUnread(ledger, { roomId, members }, new Map([[first.user, head.seq], [second.user, middle.seq]]));
}

async function mark(member, method, field, roomId, seq, marks) {
  const answer = await member.call(method, { roomId, seq });
  assert.deepEqual(answer, { [field]: seq });
  const known = marks.get(member.user) ?? { readSeq: 0, deliveredSeq: 0 };
  known[field] = Math.max(known[field], seq);
  known.deliveredSeq = Math.max(known.deliveredSeq, known.readSeq);
  marks.set(member.user, known);
}

async function secondHalf(ledger, rooms, each) {
  await Promise.all(rooms.map(({ roomId, members }) => talk(ledger, roomId, members.slice(0, 2), each)));
  const group = rooms[1];
  // The others send as well, and one user edits a message twice.
  await talk(ledger, group.roomId, group.members.slice(2), 3);
  const [first, second] = group.members;
  const message = await say(ledger, group.roomId, first, "first draft");
  await edit(ledger, group.roomId, first, message.seq, "second draft");
  await edit(ledger, group.roomId, first, message.seq, "final");
  await say(ledger, group.roomId, second, "the end");
  for (const { roomId, members } of rooms) {
    const head = ledger.messages(roomId).at(-1).seq;
    await Promise.all(members.map((member) => member.call("MarkRead", { roomId, seq: head })));
    const marks = new Map(members.map(({ user }) => [user, { readSeq: head, deliveredSeq: head }]));
    await checkUnread(ledger, { roomId, members }, new Map(members.map(({ user }) => [user, head])));
    for (const member of members) await checkReceipts(member, roomId, marks);
  }
}

async function checkUnread(ledger, { roomId, members }, readSeqs) {
  for (const member of members) {
    const { rooms } = await member.call("ListRooms", {});
    const listed = rooms.find(({ room }) => room.roomId === roomId);
    const readSeq = readSeqs.get(member.user) ?? 0;
    assert.equal(listed.readSeq, readSeq, `readSeq of ${member.user}`);
    assert.equal(listed.unread, ledger.unread(roomId, member.user, readSeq), `unread of ${member.user} after ${readSeq}`);
    assert.deepEqual(essence(listed.lastMessage), ledger.messages(roomId).at(-1));
  }
}

async function checkReceipts(member, roomId, marks) {
  const told = () => {
    const known = new Map();
    for (const notice of member.notices) {
      if (notice.type !== "ReceiptsUpdated" || notice.roomId !== roomId) continue;
      for (const { userId, readSeq = 0, deliveredSeq = 0 } of notice.receipts) {
        const before = known.get(userId) ?? { readSeq: 0, deliveredSeq: 0 };
        known.set(userId, {
          readSeq: Math.max(before.readSeq, readSeq),
          deliveredSeq: Math.max(before.deliveredSeq, deliveredSeq),
        });
      }
    }
    return known;
  };
  const complete = () =>
    [...marks].every(([user, { readSeq, deliveredSeq }]) => {
      const known = told().get(user);
      return known?.readSeq === readSeq && known.deliveredSeq === deliveredSeq;
    });
  const what = () => `receipts for ${member.user}: ${JSON.stringify([...told()])}, due ${JSON.stringify([...marks])}`;
  await until(complete, what, HEARD_WITHIN_MS);
}

// Every member received every event once, in one order, with an unbroken chain, including its own messages.
async function checkHeard(ledger, { roomId, members }) {
  const { room } = await members[0].call("GetRoom", { roomId });
  for (const member of members) {
    const events = () => member.events(roomId);
    const what = () => `${member.user} at ${room.headSeq}, is at ${events().at(-1)?.seq}`;
    await until(() => events().at(-1)?.seq >= room.headSeq, what, HEARD_WITHIN_MS);
    let last = 0;
    for (const event of events()) {
      assert.equal(event.prev, last, `${member.user}: ${event.type} ${event.seq} does not follow`);
      assert.ok(event.seq > last);
      last = event.seq;
    }
  }
  const [first, ...others] = members.map((member) => member.events(roomId));
  for (const other of others) assert.deepEqual(other, first);
  const heard = new Map();
  for (const { message } of first) if (message) heard.set(message.seq, essence(message));
  assert.deepEqual([...heard.values()], ledger.messages(roomId));
  assert.ok(first.every(({ type }) => ROOM_EVENTS.includes(type)));
}

async function checkHistory(ledger, { roomId, members }) {
  for (const member of members.slice(0, 2)) {
    const history = await historyOf(member, roomId);
    assert.deepEqual(history.map(essence), ledger.messages(roomId));
  }
}

async function checkStored(cluster, ledger, rooms) {
  for (const { roomId } of rooms) {
    const due = ledger.messages(roomId);
    let items = [];
    const same = async () => {
      items = (await cluster.dynamo.messages(roomId, due.map(({ seq }) => seq))).map(essence);
      return JSON.stringify(items) === JSON.stringify(due);
    };
    const what = () => `DynamoDB of ${roomId} has ${items.length} of ${due.length} messages in their last version`;
    await until(same, what, STORED_WITHIN_MS, 250);
  }
}

async function checkToldStored(ledger, rooms) {
  for (const { roomId, members } of rooms) {
    for (const member of members) {
      const due = ledger.messages(roomId).filter(({ senderId }) => senderId === member.user);
      const told = () => {
        const notices = member.notices.filter((notice) => notice.type === "MessagesStored" && notice.roomId === roomId);
        return new Set(notices.flatMap(({ seqs }) => seqs));
      };
      const what = () => `MessagesStored for ${member.user}: ${told().size} of ${due.length}`;
      await until(() => due.every(({ seq }) => told().has(seq)), what, STORED_WITHIN_MS);
    }
  }
}
