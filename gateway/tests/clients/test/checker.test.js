// The checker itself: it accepts a correct recording, and reports each planted fault.

import assert from "node:assert/strict";
import { test } from "node:test";

import { check, describe } from "../lib/checker.js";

const ROOM = "g_room";

const message = (seq, body, changes = {}) => ({
  roomId: ROOM,
  seq,
  version: seq,
  senderId: "ann",
  clientId: `c${seq}`,
  body,
  deleted: false,
  ...changes,
});
const created = (seq, prev, body) => ({ type: "MessageCreated", roomId: ROOM, seq, prev, message: message(seq, body) });
const edited = (seq, prev, of, body) => ({
  type: "MessageEdited",
  roomId: ROOM,
  seq,
  prev,
  message: message(of, body, { version: seq, editedAt: "later" }),
});
const live = (event) => ({ kind: "live", event });

/** ann wrote 10, 20 and 40; event 30 edited 20, event 50 deleted 40. bob lost his connection in between. */
function good() {
  const events = [created(10, 0, "one"), created(20, 10, "two"), edited(30, 20, 20, "two!"), created(40, 30, "four")];
  const tombstone = message(40, "", { version: 50, deleted: true });
  events.push({ type: "MessageDeleted", roomId: ROOM, seq: 50, prev: 40, message: tombstone });
  const history = [message(10, "one"), message(20, "two!", { version: 30, editedAt: "later" }), tombstone];
  const recording = {
    acked: [10, 20, 40].map((seq, index) => ({ ...message(seq, ["one", "two", "four"][index]) })),
    changes: [
      { roomId: ROOM, seq: 20, version: 30, body: "two!" },
      { roomId: ROOM, seq: 40, version: 50, deleted: true },
    ],
    clients: [
      { name: "ann", rooms: { [ROOM]: { from: 0, steps: events.map(live) } } },
      {
        name: "bob",
        rooms: {
          [ROOM]: {
            from: 0,
            steps: [
              live(events[0]),
              // A resume shows messages in their current version, at their original position.
              { kind: "resumed", event: { ...events[1], message: history[1] } },
              { kind: "resumed", event: events[2] },
              { kind: "repeat", event: events[2] },
              { kind: "resumed", event: { ...events[3], message: tombstone } },
              live(events[4]),
            ],
          },
        },
      },
      { name: "cid", rooms: { [ROOM]: { from: 0, steps: [{ kind: "truncated", from: 0, headSeq: 50, messages: history }] } } },
      { name: "dan", rooms: { [ROOM]: { from: 30, steps: [live(events[3]), live(events[4])] } } },
    ],
    history: { [ROOM]: history },
    stored: { [ROOM]: history.map((each) => ({ ...each })) },
    lists: [
      { userId: "ann", roomId: ROOM, readSeq: 0, unread: 0, marked: 0 },
      { userId: "bob", roomId: ROOM, readSeq: 10, unread: 1, marked: 10 },
      { userId: "cid", roomId: ROOM, readSeq: 0, unread: 2, marked: 0 },
    ],
  };
  // Shares nothing, so that each fault is planted in one place only.
  return JSON.parse(JSON.stringify(recording));
}

test("a correct recording has no violations", () => {
  assert.equal(describe(check(good())), "");
  assert.equal(describe(check(good(), { redisLost: true })), "");
});

const steps = (recording, client) => recording.clients[client].rooms[ROOM].steps;

/** Each planted fault, the rules that must report it, and whether they still do after Redis lost its data. */
const PLANTED = [
  ["an acked message is lost everywhere", ["acked-lost"], true, (r) => {
    r.history[ROOM].shift();
    r.stored[ROOM].shift();
  }],
  ["an acked message is in history twice", ["doubled"], true, (r) => r.history[ROOM].push(message(60, "one", { clientId: "c10" }))],
  ["an acked seq has another message", ["acked-other", "seq-twice"], true, (r) => (r.history[ROOM][0].clientId = "x")],
  ["an acked body differs", ["acked-body", "version-twice"], true, (r) => (r.history[ROOM][0].body = "uno")],
  ["an edit is lost", ["change-lost"], true, (r) => (r.history[ROOM][1] = message(20, "two"))],
  ["an edit has another text", ["change-other", "version-twice"], true, (r) => (r.history[ROOM][1].body = "zwei")],
  ["a delete is undone", ["change-lost"], true, (r) => (r.history[ROOM][2] = message(40, "four"))],
  ["a tombstone is not deleted", ["change-other"], true, (r) => (r.history[ROOM][2].deleted = false)],
  ["a seen message is not in history", ["seen-lost"], false, (r) => {
    steps(r, 0).push(live(created(60, 50, "ghost")));
  }],
  ["a seen version is not in history", ["seen-older"], false, (r) => steps(r, 0).push(live(edited(60, 50, 10, "one?")))],
  ["history is out of order", ["history-order"], true, (r) => r.history[ROOM].reverse()],
  ["a seq names two messages", ["seq-twice"], true, (r) => {
    steps(r, 0)[0].event = { ...created(10, 0, "one"), message: message(10, "one", { clientId: "other" }) };
  }],
  ["a seq is two kinds of event", ["seq-twice"], true, (r) => {
    steps(r, 0)[2].event = { type: "RoomUpdated", roomId: ROOM, seq: 30, prev: 20, change: "renamed" };
  }],
  ["a version has two contents", ["version-twice"], true, (r) => (steps(r, 1)[0].event.message.body = "eins")],
  ["an event is taken twice", ["order", "chain"], true, (r) => steps(r, 0).splice(1, 0, steps(r, 0)[0])],
  ["two events are swapped", ["order", "chain"], true, (r) => steps(r, 0).splice(0, 2, steps(r, 0)[1], steps(r, 0)[0])],
  ["an event is left out", ["chain"], true, (r) => steps(r, 0).splice(0, 1)],
  ["a gap is received", ["gap"], false, (r) => steps(r, 0).push({ kind: "gap", event: { ...created(40, 35, "four") } })],
  ["a truncated resume began elsewhere", ["resume-place"], true, (r) => (steps(r, 2)[0].from = 10)],
  ["a client missed a message silently", ["missed"], false, (r) => {
    steps(r, 2)[0].messages.shift();
  }],
  ["a message received beyond a gap does not count", ["missed", "gap"], false, (r) => {
    steps(r, 3)[0].kind = "gap";
    steps(r, 3)[1].event.prev = 30;
  }],
  ["a message is not stored", ["not-stored"], true, (r) => r.stored[ROOM].pop()],
  ["a message is stored in an old version", ["stored-other"], true, (r) => (r.stored[ROOM][1] = message(20, "two"))],
  ["a tombstone is stored with its body", ["stored-other"], true, (r) => (r.stored[ROOM][2].deleted = false)],
  ["a mark is lost", ["mark-lost"], true, (r) => Object.assign(r.lists[1], { readSeq: 0, unread: 2 })],
  ["a tombstone counts as unread", ["unread"], true, (r) => (r.lists[2].unread = 3)],
  ["an unread message is not counted", ["unread"], true, (r) => (r.lists[1].unread = 0)],
  ["a message is stored that history lacks", ["stored-more"], true, (r) => r.stored[ROOM].push(message(70, "?"))],
];

for (const [what, rules, alsoWithoutRedis, plant] of PLANTED) {
  test(`planted: ${what}`, () => {
    const recording = good();
    plant(recording);
    const found = new Set(check(recording).map(({ rule }) => rule));
    for (const rule of rules) assert.ok(found.has(rule), `${rule} is silent: ${[...found]}`);
    const aside = new Set(check(recording, { redisLost: true }).map(({ rule }) => rule));
    assert.equal(rules.some((rule) => aside.has(rule)), alsoWithoutRedis);
  });
}

test("violations are listed by rule, a few of each", () => {
  const many = Array.from({ length: 9 }, (_, index) => ({ rule: "gap", roomId: ROOM, detail: `${index}` }));
  const text = describe(many, 2);
  assert.deepEqual(text.split("\n"), ["gap: 9", "  g_room 0", "  g_room 1"]);
});
