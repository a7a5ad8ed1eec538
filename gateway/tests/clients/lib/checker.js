// Judges a recorded conversation by what the service guarantees.
//
// A recording is plain data:
//   acked    [{roomId, senderId, clientId, seq, body}]          sends that were answered
//   changes  [{roomId, seq, version, body?, deleted?}]          edits and deletes that were answered
//   clients  [{name, rooms: {roomId: {from, steps}}}]           each client's steps, in order
//   history  {roomId: [message]}                                all of GetHistory afterwards, ascending
//   stored   {roomId: [message]}                                all of DynamoDB once drained, ascending
//   lists    [{userId, roomId, readSeq, unread, marked}]        ListRooms of each member afterwards, and its highest acked mark
//
// Steps of a client in a room, which it has followed since `from` (a seq):
//   {kind: "live" | "resumed", event}      taken as the next event
//   {kind: "repeat", event}                received again and dropped
//   {kind: "gap", event}                   received, but not taken: its `prev` was not the last one taken
//   {kind: "truncated", from, headSeq, messages}   a resume was truncated, and history after `from` was read instead

/** At this count, unread means "this many or more". */
const UNREAD_MAX = 1000;

/**
 * Returns every violation in a recording; empty if it is correct.
 * @param {object} recording see above
 * @param {{redisLost?: boolean}} [options] if Redis lost its data, messages seen but never acked may be gone, and clients
 *   may learn of the loss only by a truncated resume
 * @returns {{rule: string, roomId: string, detail: string}[]}
 */
export function check(recording, { redisLost = false } = {}) {
  const found = [];
  const report = (rule, roomId, detail) => found.push({ rule, roomId, detail });
  checkHistory(recording, report);
  checkAcked(recording, report);
  checkChanges(recording, report);
  checkSeqs(recording, report);
  checkOrder(recording, report, redisLost);
  if (!redisLost) {
    checkSeen(recording, report);
    checkComplete(recording, report);
  }
  checkStored(recording, report);
  checkLists(recording, report);
  return found;
}

/** Formats violations for an assertion, the first few of each rule. */
export function describe(violations, each = 5) {
  const rules = new Map();
  for (const violation of violations) {
    if (!rules.has(violation.rule)) rules.set(violation.rule, []);
    rules.get(violation.rule).push(violation);
  }
  const lines = [...rules].flatMap(([rule, list]) => [
    `${rule}: ${list.length}`,
    ...list.slice(0, each).map(({ roomId, detail }) => `  ${roomId} ${detail}`),
  ]);
  return lines.join("\n");
}

const identity = (message) => `${message.senderId}/${message.clientId}`;
const say = (message) =>
  `${message.seq} v${message.version} ${identity(message)} ${message.deleted ? "deleted" : JSON.stringify(message.body)}`;
const historyOf = (recording, roomId) => recording.history[roomId] ?? [];
const bySeq = (messages) => new Map(messages.map((message) => [message.seq, message]));

function* walks(recording) {
  for (const client of recording.clients) {
    for (const [roomId, walk] of Object.entries(client.rooms)) yield { name: client.name, roomId, ...walk };
  }
}

// History is ascending, and holds one message for each sender and clientId.
function checkHistory({ history }, report) {
  for (const [roomId, messages] of Object.entries(history)) {
    const made = new Map();
    let last = 0;
    for (const message of messages) {
      if (message.seq <= last) report("history-order", roomId, `${message.seq} after ${last}`);
      last = message.seq;
      const first = made.get(identity(message));
      if (first) report("doubled", roomId, `${identity(message)} at ${first.seq} and ${message.seq}`);
      else made.set(identity(message), message);
    }
  }
}

// Each acked message is in history, at its seq.
function checkAcked(recording, report) {
  for (const ack of recording.acked) {
    const message = historyOf(recording, ack.roomId).find(({ seq }) => seq === ack.seq);
    if (!message) report("acked-lost", ack.roomId, `${ack.seq} ${identity(ack)}`);
    else if (identity(message) !== identity(ack)) report("acked-other", ack.roomId, `${identity(ack)} is ${say(message)}`);
    else if (message.version === message.seq && message.body !== ack.body) report("acked-body", ack.roomId, say(message));
  }
}

// History shows the last acked change of a message, unless a later one came.
function checkChanges(recording, report) {
  for (const change of recording.changes) {
    const message = historyOf(recording, change.roomId).find(({ seq }) => seq === change.seq);
    const wanted = `${change.seq} v${change.version} ${change.deleted ? "deleted" : change.body}`;
    if (!message || message.version < change.version) {
      report("change-lost", change.roomId, `${wanted}, history has ${message ? say(message) : "nothing"}`);
    } else if (message.version === change.version) {
      const same = change.deleted ? message.deleted : message.body === change.body && !message.deleted;
      if (!same) report("change-other", change.roomId, `${wanted}, history has ${say(message)}`);
    }
  }
}

// No seq is used twice: all clients received the same event for it, and a version of a message has one content.
function checkSeqs(recording, report) {
  const events = new Map();
  const versions = new Map();
  const note = (map, key, value, roomId, rule) => {
    const known = map.get(key);
    if (known === undefined) map.set(key, value);
    else if (known !== value) report(rule, roomId, `${known} | ${value}`);
  };
  const noteMessage = (roomId, message) => {
    const content = JSON.stringify([message.body, message.deleted, message.editedAt ?? null]);
    note(versions, `${roomId} ${message.seq} ${message.version}`, `${say(message)} ${content}`, roomId, "version-twice");
    note(events, `${roomId} ${message.seq}`, `MessageCreated ${message.seq} ${identity(message)}`, roomId, "seq-twice");
  };
  for (const { roomId, steps } of walks(recording)) {
    for (const { event, messages } of steps) {
      messages?.forEach((message) => noteMessage(roomId, message));
      if (!event) continue;
      const about = event.message ? `${event.message.seq} ${identity(event.message)}` : event.change;
      note(events, `${roomId} ${event.seq}`, `${event.type} ${about}`, roomId, "seq-twice");
      if (event.message) noteMessage(roomId, event.message);
    }
  }
  for (const [roomId, messages] of Object.entries(recording.history)) {
    messages.forEach((message) => noteMessage(roomId, message));
  }
}

// Each client receives each event once, in order, with an unbroken chain.
function checkOrder(recording, report, redisLost) {
  for (const { name, roomId, from, steps } of walks(recording)) {
    let last = from;
    for (const step of steps) {
      const { kind, event } = step;
      if (kind === "truncated") {
        if (step.from !== last) report("resume-place", roomId, `${name} resumed from ${step.from}, but was at ${last}`);
        last = step.headSeq;
      } else if (kind === "gap") {
        if (!redisLost) report("gap", roomId, `${name} heard ${event.seq} (prev ${event.prev}) after ${last}`);
      } else if (kind !== "repeat") {
        if (event.seq <= last) report("order", roomId, `${name} took ${event.seq} after ${last}`);
        if (event.prev !== last) report("chain", roomId, `${name} took ${event.seq} (prev ${event.prev}) after ${last}`);
        last = event.seq;
      }
    }
  }
}

// Every message seen by a client is in history, in that version or a later one.
function checkSeen(recording, report) {
  const histories = new Map(Object.entries(recording.history).map(([roomId, messages]) => [roomId, bySeq(messages)]));
  for (const { name, roomId, steps } of walks(recording)) {
    for (const { event } of steps) {
      if (!event?.message) continue;
      const message = histories.get(roomId)?.get(event.message.seq);
      if (!message) report("seen-lost", roomId, `${name} saw ${say(event.message)}`);
      else if (message.version < event.message.version) report("seen-older", roomId, `${say(event.message)}, history has ${say(message)}`);
    }
  }
}

// Every message in history reached each client that followed the room, by an event or otherwise.
function checkComplete(recording, report) {
  for (const { name, roomId, from, steps } of walks(recording)) {
    const heard = new Set();
    for (const { kind, event, messages } of steps) {
      messages?.forEach(({ seq }) => heard.add(seq));
      if (kind !== "gap" && event?.type === "MessageCreated") heard.add(event.seq);
    }
    for (const message of historyOf(recording, roomId)) {
      if (message.seq > from && !heard.has(message.seq)) report("missed", roomId, `${name} never heard ${say(message)}`);
    }
  }
}

// DynamoDB matches history: nothing more, nothing less, each message in its last version.
function checkStored(recording, report) {
  for (const [roomId, stored] of Object.entries(recording.stored)) {
    const wanted = bySeq(historyOf(recording, roomId));
    const items = bySeq(stored);
    for (const message of wanted.values()) {
      const item = items.get(message.seq);
      if (!item) report("not-stored", roomId, say(message));
      else if (say(item) !== say(message)) report("stored-other", roomId, `${say(item)}, history has ${say(message)}`);
    }
    for (const item of items.values()) {
      if (!wanted.has(item.seq)) report("stored-more", roomId, say(item));
    }
  }
}

// Marks are kept, and unread counts are exact: others' undeleted messages after the mark.
function checkLists(recording, report) {
  for (const { userId, roomId, readSeq, unread, marked } of recording.lists) {
    if (readSeq < marked) report("mark-lost", roomId, `${userId} read up to ${marked}, the list says ${readSeq}`);
    const counted = historyOf(recording, roomId).filter((m) => m.seq > readSeq && m.senderId !== userId && !m.deleted);
    const due = Math.min(counted.length, UNREAD_MAX);
    if (unread !== due) report("unread", roomId, `${userId} after ${readSeq}: ${unread}, should be ${due}`);
  }
}
