// The isolation cases of each method: requests that name another organization's data, and beside each the same request
// that names unknown data. A method that names nothing is checked for what it reveals about others.

import { createHash } from "node:crypto";

import { person } from "../../lib/cast.js";

const UNKNOWN_ROOM = "g_AAAAAAAAAAAAAAAAAAAAAA";
const UNKNOWN_FILE = "AAAAAAAAAAAAAAAAAAAAAA";
/** A time at which nothing was written. */
const UNKNOWN_SEQ = 1_600_000_000_000_001;
const DOCUMENT = Buffer.from("secretbody of a file");
const file = {
  fileName: "secretfile.txt",
  contentType: "text/plain",
  sizeBytes: DOCUMENT.length,
  sha256: createHash("sha256").update(DOCUMENT).digest("hex"),
};

/** Puts a file into a room; returns the result of CreateUpload. */
export async function upload(client, roomId) {
  const ticket = await client.call("CreateUpload", { roomId, ...file });
  const { url, method, headers } = ticket;
  const response = await fetch(url, { method, headers, body: DOCUMENT, signal: AbortSignal.timeout(20_000) });
  if (!response.ok) throw new Error(`the upload: ${response.status} ${await response.text()}`);
  const clientId = crypto.randomUUID();
  await client.call("SendMessage", { roomId, clientId, body: "", attachmentIds: [ticket.attachmentId] });
  return ticket;
}

/** Cases for each of their rooms; `more` adds fields. */
const rooms = (more = () => ({})) => (stage) =>
  ["room", "direct", "archived"].map((kind) => [kind, { roomId: stage[kind], ...more(stage) }, { roomId: UNKNOWN_ROOM, ...more(stage) }]);

/** Cases in the caller's own room with the seq of their message. */
const seqs = (more = {}) => (stage, caller) => {
  const roomId = own(stage, caller);
  return [["seq", { roomId, seq: stage.message.seq, ...more }, { roomId, seq: UNKNOWN_SEQ, ...more }]];
};

const own = (stage, caller) => (caller === stage.eve ? stage.own : stage.ann2Room);
const both = (...all) => (stage, caller) => all.flatMap((each) => each(stage, caller));
const ticket = (stage) => stage.file?.attachmentId ?? UNKNOWN_FILE;
const body = () => ({ clientId: crypto.randomUUID(), body: "hello" });

/** Cases of each method: `[what, request, the same request for unknown data]`. */
export const CASES = {
  CreateRoom: (stage, caller) => [
    ["a direct room", { kind: "direct", memberIds: [stage.bob.user] }, { kind: "direct", memberIds: [person("bob")] }],
    ["a group", { kind: "group", memberIds: [stage.bob.user] }, { kind: "group", memberIds: [person("bob")] }],
    // Only once: afterwards the case exists in the second organization, too.
    ...(caller === stage.eve
      ? [["a case", { kind: "group", memberIds: [], caseId: stage.caseId }, { kind: "group", memberIds: [], caseId: person("case") }]]
      : []),
  ],
  AddMembers: both(
    rooms((stage) => ({ userIds: [stage.kim.user] })),
    // On a direct room, each call creates a new room.
    (stage, caller) => {
      const roomId = caller === stage.eve ? stage.ownDirect : stage.ann2Direct;
      return [["a member", { roomId, userIds: [stage.bob.user] }, { roomId, userIds: [person("bob")] }]];
    },
  ),
  RemoveMember: both(
    rooms((stage) => ({ userId: stage.bob.user })),
    (stage, caller) => {
      const roomId = own(stage, caller);
      return [["a member", { roomId, userId: stage.cid }, { roomId, userId: person("bob") }]];
    },
  ),
  LeaveRoom: rooms(),
  RenameRoom: rooms(() => ({ name: "Taken over" })),
  ArchiveRoom: rooms(),
  UnarchiveRoom: rooms(),
  ListRooms: (stage) => [
    ["a name", { query: "Secretroom" }, { query: "Nothingroom" }],
    ["a case", { query: stage.closedCase }, { query: person("case") }],
    ["an archived case", { archived: true, query: stage.closedCase }, { archived: true, query: person("case") }],
    ["an archived name", { archived: true, query: "Secretarchived" }, { archived: true, query: "Nothingarchived" }],
    ["everything", { limit: 200 }, { limit: 200 }],
  ],
  GetRoom: rooms(),
  SendMessage: both(
    rooms(body),
    (stage, caller) => {
      const roomId = own(stage, caller);
      return [
        ["an answer", { roomId, ...body(), replyTo: stage.message.seq }, { roomId, ...body(), replyTo: UNKNOWN_SEQ }],
        ["a file", { roomId, ...body(), attachmentIds: [ticket(stage)] }, { roomId, ...body(), attachmentIds: [UNKNOWN_FILE] }],
      ];
    },
  ),
  EditMessage: both(rooms(({ message }) => ({ seq: message.seq, body: "taken over" })), seqs({ body: "taken over" })),
  DeleteMessage: both(rooms(({ message }) => ({ seq: message.seq })), seqs()),
  React: both(rooms(({ message }) => ({ seq: message.seq, emoji: "👍", on: true })), seqs({ emoji: "👍", on: true })),
  MarkRead: rooms(({ message }) => ({ seq: message.seq })),
  MarkDelivered: rooms(({ message }) => ({ seq: message.seq })),
  GetHistory: rooms(() => ({ limit: 200 })),
  Resume: (stage) =>
    ["room", "direct", "archived"].flatMap((kind) => [
      [kind, { rooms: [{ roomId: stage[kind], seq: 0 }] }, { rooms: [{ roomId: UNKNOWN_ROOM, seq: 0 }] }],
      [`${kind} at its head`, { rooms: [{ roomId: stage[kind], seq: stage.message.seq }] }, { rooms: [{ roomId: UNKNOWN_ROOM, seq: stage.message.seq }] }],
    ]),
  SetTyping: rooms(() => ({ typing: true })),
  SetPresence: () => [["one's own", { status: "online" }, { status: "online" }]],
  WatchPresence: (stage) => [
    ["people", { userIds: [stage.bob.user] }, { userIds: [person("bob")] }],
    ["a person's key", { userIds: [`${stage.ann.org}/${stage.bob.user}`] }, { userIds: [`${stage.ann.org}/${person("bob")}`] }],
  ],
  SearchUsers: (stage) => [
    ["a name", { query: "Secretname" }, { query: "Nothingname" }],
    ["an id", { query: stage.bob.user }, { query: person("bob") }],
    ["everyone", {}, {}],
  ],
  SearchMessages: (stage) => [
    ["a word", { query: "secretbody" }, { query: "nothingbody" }],
    ...["room", "direct", "archived"].map((kind) => [
      kind,
      { query: "secretbody", roomId: stage[kind] },
      { query: "secretbody", roomId: UNKNOWN_ROOM },
    ]),
  ],
  StreamHistory: rooms(),
  CreateUpload: rooms(() => file),
  GetAttachmentUrl: (stage, caller) => {
    const [roomId, attachmentId] = [own(stage, caller), ticket(stage)];
    return [
      ["their room", { roomId: stage.room, attachmentId }, { roomId: UNKNOWN_ROOM, attachmentId: UNKNOWN_FILE }],
      ["their file in one's own room", { roomId, attachmentId }, { roomId, attachmentId: UNKNOWN_FILE }],
    ];
  },
};
