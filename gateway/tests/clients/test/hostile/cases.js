// A valid request of every method, on a stage of the caller's own: floods repeat it, other tests change a field of it. What can
// change something does so each time.

/** A room that nobody has. */
export const UNKNOWN_ROOM = "g_AAAAAAAAAAAAAAAAAAAAAA";
const UNKNOWN_FILE = "AAAAAAAAAAAAAAAAAAAAAA";

/** Requests by method: of a room, a message in it by the caller, and another member. */
export const REQUESTS = {
  CreateRoom: ({ other }) => ({ kind: "direct", memberIds: [other] }),
  AddMembers: ({ roomId, other }) => ({ roomId, userIds: [other] }),
  RemoveMember: ({ roomId }) => ({ roomId, userId: "nobody" }),
  LeaveRoom: ({ roomId }) => ({ roomId }),
  RenameRoom: ({ roomId }) => ({ roomId, name: `Name ${crypto.randomUUID()}` }),
  ArchiveRoom: ({ roomId }) => ({ roomId }),
  UnarchiveRoom: ({ roomId }) => ({ roomId }),
  SendMessage: ({ roomId }) => ({ roomId, clientId: crypto.randomUUID(), body: "hello" }),
  EditMessage: ({ roomId, seq }) => ({ roomId, seq, body: `hello again ${crypto.randomUUID()}` }),
  DeleteMessage: ({ roomId, seq }) => ({ roomId, seq }),
  React: ({ roomId, seq }) => ({ roomId, seq, emoji: "👍", on: Math.random() < 0.5 }),
  MarkRead: ({ roomId, seq }) => ({ roomId, seq }),
  MarkDelivered: ({ roomId, seq }) => ({ roomId, seq }),
  CreateUpload: ({ roomId }) => ({ roomId, fileName: "a.txt", contentType: "text/plain", sizeBytes: 1, sha256: "0".repeat(64) }),
  SetTyping: ({ roomId }) => ({ roomId, typing: true }),
  SetPresence: () => ({ status: "online" }),
  WatchPresence: ({ other }) => ({ userIds: [other] }),
  ListRooms: () => ({ limit: 50 }),
  GetRoom: ({ roomId }) => ({ roomId }),
  GetHistory: ({ roomId }) => ({ roomId, limit: 50 }),
  SearchMessages: ({ roomId }) => ({ query: "hello", roomId }),
  GetAttachmentUrl: ({ roomId }) => ({ roomId, attachmentId: UNKNOWN_FILE }),
  Resume: ({ roomId }) => ({ rooms: [{ roomId, seq: 0 }] }),
  SearchUsers: () => ({ query: "a" }),
  StreamHistory: ({ roomId }) => ({ roomId }),
};

/** A value of a schema that holds as much as so many bytes allow; undefined if it has one size. */
function grown(schema, defs, bytes) {
  const kinds = [schema, ...(schema.anyOf ?? [])].map((each) => (each.$ref ? defs[each.$ref.split("/").pop()] : each));
  const types = kinds.flatMap(({ type }) => type ?? []);
  if (types.includes("array")) {
    const { items } = kinds.find((kind) => kind.items);
    const item = items.$ref ? defs[items.$ref.split("/").pop()] : items;
    const one = item.type === "object" ? { roomId: UNKNOWN_ROOM, seq: 0 } : undefined;
    const count = Math.floor(bytes / (one ? 60 : 20));
    return Array.from({ length: count }, (_, number) => one ?? `a-${number}`);
  }
  if (types.includes("string") && !kinds.some((kind) => kind.enum)) return "x".repeat(bytes);
  return types.includes("integer") || types.includes("number") ? Number.MAX_SAFE_INTEGER : undefined;
}

/** Returns requests that hold as much as a record can, one for each field of a request, as the reference has them. */
export function largest(method, request, reference, bytes) {
  const schema = reference.methods[method].request;
  const { properties } = schema.$ref ? reference.$defs[schema.$ref.split("/").pop()] : schema;
  return Object.entries(properties ?? {})
    .map(([field, each]) => [field, grown(each, reference.$defs, bytes)])
    .filter(([, value]) => value !== undefined)
    .map(([field, value]) => [field, { ...request, [field]: value }]);
}

/** Fields of requests that name something, and what nobody has. */
const UNKNOWN = { seq: 1_600_000_000_000_001, before: 1, after: 1, from: 1, to: 1, replyTo: 1, attachmentId: UNKNOWN_FILE, attachmentIds: [UNKNOWN_FILE], userId: "nobody", userIds: ["nobody"], memberIds: ["nobody"], caseId: "no-case", cursor: "none" };

/** Returns requests that name one thing that nobody has, one for each such field of the request, as the reference has them. */
export function unknown(method, request, reference) {
  const schema = reference.methods[method].request;
  const { properties } = schema.$ref ? reference.$defs[schema.$ref.split("/").pop()] : schema;
  return Object.keys(properties ?? {})
    .filter((field) => field in UNKNOWN)
    .map((field) => [field, { ...request, [field]: UNKNOWN[field] }]);
}

/** Returns the request about another room, or undefined if it names none. */
export function elsewhere(request, roomId) {
  if (request.rooms) return { ...request, rooms: [{ roomId, seq: 0 }] };
  return request.roomId && { ...request, roomId };
}
