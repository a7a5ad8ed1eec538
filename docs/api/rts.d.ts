// The types of the hub /hubs/chat, made from the server's own: see README.md beside this file. Absent fields are
// left out, never null. A seq is an integer below 2^53, a time is ISO-8601 text in UTC.

export interface AddMembersAnswer {
  room: Room;
}

export interface AddMembersRequest {
  roomId: string;
  userIds: string[];
}

export interface ArchiveRoomAnswer {
  room: Room;
}

/** A request that names nothing but a room. */
export interface ArchiveRoomRequest {
  roomId: string;
}

/** A file attached to a message. */
export interface Attachment {
  /** The id that members exchange for a URL. */
  attachmentId: string;
  /** The MIME type. */
  contentType: string;
  /** The file's name, for display, as its sender gave it. */
  fileName: string;
  /** The file's size, in bytes. */
  sizeBytes: number;
}

export interface CreateRoomAnswer {
  room: Room;
}

export interface CreateRoomRequest {
  caseId?: string;
  kind: RoomKind;
  memberIds: string[];
  name?: string;
}

export interface CreateUploadAnswer {
  attachmentId: string;
  expiresAt: string;
  headers: Record<string, string>;
  method: string;
  url: string;
}

export interface CreateUploadRequest {
  contentType: string;
  fileName: string;
  roomId: string;
  sha256: string;
  sizeBytes: number;
}

export interface DeleteMessageAnswer {
  message: Message;
}

export interface DeleteMessageRequest {
  roomId: string;
  seq: number;
}

export type DeviceStatus = 'online' | 'away';

export interface EditMessageAnswer {
  message: Message;
}

export interface EditMessageRequest {
  body: string;
  roomId: string;
  seq: number;
}

export interface Found {
  displayName: string;
  status: Status;
  userId: string;
}

export interface GetAttachmentUrlAnswer {
  expiresAt: string;
  url: string;
}

export interface GetAttachmentUrlRequest {
  attachmentId: string;
  roomId: string;
}

export interface GetHistoryAnswer {
  hasMore: boolean;
  messages: Message[];
}

export interface GetHistoryRequest {
  after?: number;
  before?: number;
  limit?: number;
  roomId: string;
}

export interface GetRoomAnswer {
  room: Room;
}

/** A request that names nothing but a room. */
export interface GetRoomRequest {
  roomId: string;
}

export interface LeaveRoomAnswer {}

/** A request that names nothing but a room. */
export interface LeaveRoomRequest {
  roomId: string;
}

export interface ListRoomsAnswer {
  cursor?: string;
  rooms: Listed[];
}

export interface ListRoomsRequest {
  archived?: boolean;
  cursor?: string;
  limit?: number;
  query?: string;
}

export interface Listed {
  deliveredSeq: number;
  headSeq: number;
  lastMessage?: Message;
  mentions: number;
  readSeq: number;
  room: Room;
  unread: number;
  unreadAtLeast?: boolean;
}

export interface MarkDeliveredAnswer {
  deliveredSeq: number;
}

export interface MarkDeliveredRequest {
  roomId: string;
  seq: number;
}

export interface MarkReadAnswer {
  readSeq: number;
}

export interface MarkReadRequest {
  roomId: string;
  seq: number;
}

/** A member as clients see it. */
export interface Member {
  /** The seq up to which the member has received. */
  deliveredSeq: number;
  /** The name to show. */
  displayName: string;
  /** The seq up to which the member has read. */
  readSeq: number;
  /** The member's role. */
  role: Role;
  /** The member. */
  userId: string;
}

/** A message as clients see it. */
export interface Message {
  /** The attached files. */
  attachments: Attachment[];
  /** UTF-8 text; empty in a tombstone. */
  body: string;
  /** The id that the sender's client gave it. */
  clientId: string;
  /** True for a tombstone. */
  deleted: boolean;
  /** The time of the last change of its body. */
  editedAt?: string;
  /** The members that its body mentions. */
  mentions?: string[];
  /** The reactions, by emoji. */
  reactions: Reaction[];
  /** The message it answers. */
  replyTo?: number;
  /** The room it was sent to. */
  roomId: string;
  /** The user who wrote it. */
  senderId: string;
  /** The time it was sent, derived from `seq`. */
  sentAt: string;
  /** The seq that names it and places it in its room's order. */
  seq: number;
  /** The seq of its last change. */
  version: number;
}

/** A new message, an edited one, or a tombstone, in its state after the event. */
export interface MessageEvent {
  message: Message;
  prev: number;
  roomId: string;
  seq: number;
}

/** Messages of the user are in permanent storage. */
export interface MessagesStored {
  roomId: string;
  seqs: number[];
}

/** Somebody who shares a room with the user has another name. */
export interface PersonChanged {
  displayName: string;
  userId: string;
}

export interface ReactAnswer {}

export interface ReactRequest {
  emoji: string;
  on: boolean;
  roomId: string;
  seq: number;
}

/** The users who reacted with one emoji. */
export interface Reaction {
  /** The emoji. */
  emoji: string;
  /** The users, in the order of their reactions. */
  userIds: string[];
}

/** A reaction was set or removed. */
export interface ReactionEvent {
  emoji: string;
  messageSeq: number;
  on: boolean;
  prev: number;
  roomId: string;
  seq: number;
  userId: string;
}

/** A member's new marks; one that did not move is absent. */
export interface Receipt {
  deliveredSeq?: number;
  readSeq?: number;
  userId: string;
}

/** Members have read, or received, up to a seq. */
export interface ReceiptsUpdated {
  receipts: Receipt[];
  roomId: string;
}

export interface RemoveMemberAnswer {
  room: Room;
}

export interface RemoveMemberRequest {
  roomId: string;
  userId: string;
}

export interface RenameRoomAnswer {
  room: Room;
}

export interface RenameRoomRequest {
  name: string;
  roomId: string;
}

export interface ResumeAnswer {
  joined: string[];
  left: string[];
  rooms: Resumed[];
}

export interface ResumeRequest {
  rooms: Seen[];
}

export interface Resumed {
  events: ResumedEvent[];
  headSeq: number;
  roomId: string;
  truncated: boolean;
}

/** An event of a room, with its name as its type. */
export type ResumedEvent = ({
  type: 'MessageCreated';
} & MessageEvent) | ({
  type: 'MessageEdited';
} & MessageEvent) | ({
  type: 'MessageDeleted';
} & MessageEvent) | ({
  type: 'ReactionChanged';
} & ReactionEvent) | ({
  type: 'RoomUpdated';
} & RoomEvent);

/** The role of a member, which decides their permissions. */
export type Role = 'owner' | 'member';

/** A room as clients see it. */
export interface Room {
  /** True if it is read-only and not in the list of rooms. */
  archived: boolean;
  /** The case it belongs to. */
  caseId?: string;
  /** The time of its creation. */
  createdAt: string;
  /** The user who created it. */
  createdBy: string;
  /** The seq of its last event. */
  headSeq: number;
  /** The kind: direct or group. */
  kind: RoomKind;
  /** The number of members. */
  memberCount: number;
  /** The members; left out of lists and events if there are many. */
  members?: Member[];
  /** The name, if it has one. */
  name?: string;
  /** The id. */
  roomId: string;
}

/** The user is a member of a room now. */
export interface RoomAdded {
  room: Room;
}

/** What changed in a room. */
export type RoomChange = 'renamed' | 'membersAdded' | 'memberRemoved' | 'roleChanged' | 'archived' | 'unarchived';

/** A change of the room's facts or members. */
export interface RoomEvent {
  change: RoomChange;
  prev: number;
  room: Room;
  roomId: string;
  seq: number;
}

/** The kind of a room. */
export type RoomKind = 'direct' | 'group';

/** The user is no longer a member of a room. */
export interface RoomRemoved {
  roomId: string;
}

export interface SearchMessagesAnswer {
  cursor?: string;
  messages: Message[];
}

export interface SearchMessagesRequest {
  cursor?: string;
  limit?: number;
  query: string;
  roomId?: string;
}

export interface SearchUsersAnswer {
  cursor?: string;
  users: Found[];
}

export interface SearchUsersRequest {
  cursor?: string;
  limit?: number;
  query?: string;
}

export interface Seen {
  roomId: string;
  seq: number;
}

export interface SendMessageAnswer {
  duplicate: boolean;
  sentAt: string;
  seq: number;
}

export interface SendMessageRequest {
  attachmentIds?: string[];
  body?: string;
  clientId: string;
  replyTo?: number;
  roomId: string;
}

export interface SetPresenceAnswer {}

export interface SetPresenceRequest {
  status: DeviceStatus;
}

export interface SetTypingAnswer {}

export interface SetTypingRequest {
  roomId: string;
  typing: boolean;
}

/** The status of a user. */
export type Status = 'online' | 'away' | 'offline';

export interface StreamHistoryRequest {
  from?: number;
  roomId: string;
  to?: number;
}

/** A member types, or has stopped. */
export interface TypingEvent {
  roomId: string;
  typing: boolean;
  userId: string;
}

export interface UnarchiveRoomAnswer {
  room: Room;
}

/** A request that names nothing but a room. */
export interface UnarchiveRoomRequest {
  roomId: string;
}

/** A user's status for clients. */
export interface UserStatus {
  /** The time when a user who is offline was last connected. */
  lastSeenAt?: string;
  /** The status. */
  status: Status;
  /** Who. */
  userId: string;
}

export interface WatchPresenceAnswer {
  users: UserStatus[];
}

export interface WatchPresenceRequest {
  userIds: string[];
}

/** Every method: its request, and its answer; of a stream, the items. */
export interface Methods {
  AddMembers: [AddMembersRequest, AddMembersAnswer];
  ArchiveRoom: [ArchiveRoomRequest, ArchiveRoomAnswer];
  CreateRoom: [CreateRoomRequest, CreateRoomAnswer];
  CreateUpload: [CreateUploadRequest, CreateUploadAnswer];
  DeleteMessage: [DeleteMessageRequest, DeleteMessageAnswer];
  EditMessage: [EditMessageRequest, EditMessageAnswer];
  GetAttachmentUrl: [GetAttachmentUrlRequest, GetAttachmentUrlAnswer];
  GetHistory: [GetHistoryRequest, GetHistoryAnswer];
  GetRoom: [GetRoomRequest, GetRoomAnswer];
  LeaveRoom: [LeaveRoomRequest, LeaveRoomAnswer];
  ListRooms: [ListRoomsRequest, ListRoomsAnswer];
  MarkDelivered: [MarkDeliveredRequest, MarkDeliveredAnswer];
  MarkRead: [MarkReadRequest, MarkReadAnswer];
  React: [ReactRequest, ReactAnswer];
  RemoveMember: [RemoveMemberRequest, RemoveMemberAnswer];
  RenameRoom: [RenameRoomRequest, RenameRoomAnswer];
  Resume: [ResumeRequest, ResumeAnswer];
  SearchMessages: [SearchMessagesRequest, SearchMessagesAnswer];
  SearchUsers: [SearchUsersRequest, SearchUsersAnswer];
  SendMessage: [SendMessageRequest, SendMessageAnswer];
  SetPresence: [SetPresenceRequest, SetPresenceAnswer];
  SetTyping: [SetTypingRequest, SetTypingAnswer];
  StreamHistory: [StreamHistoryRequest, Message];
  UnarchiveRoom: [UnarchiveRoomRequest, UnarchiveRoomAnswer];
  WatchPresence: [WatchPresenceRequest, WatchPresenceAnswer];
}

/** Every event: its payload. */
export interface Events {
  MessageCreated: MessageEvent;
  MessageDeleted: MessageEvent;
  MessageEdited: MessageEvent;
  MessagesStored: MessagesStored;
  PersonChanged: PersonChanged;
  PresenceChanged: UserStatus;
  ReactionChanged: ReactionEvent;
  ReceiptsUpdated: ReceiptsUpdated;
  RoomAdded: RoomAdded;
  RoomRemoved: RoomRemoved;
  RoomUpdated: RoomEvent;
  Typing: TypingEvent;
}
