/** The hub's contract as types: requests, answers and events. */

/** A position in a room's order, and a time in microseconds since 1970; fits a JavaScript number. */
export type Seq = number;

/** Every method: its request and its answer. */
export interface Methods {
  CreateRoom: [{ kind: RoomKind; memberIds: string[]; name?: string; caseId?: string }, { room: Room }];
  AddMembers: [{ roomId: string; userIds: string[] }, { room: Room }];
  RemoveMember: [{ roomId: string; userId: string }, { room: Room }];
  LeaveRoom: [{ roomId: string }, object];
  RenameRoom: [{ roomId: string; name: string }, { room: Room }];
  ArchiveRoom: [{ roomId: string }, { room: Room }];
  UnarchiveRoom: [{ roomId: string }, { room: Room }];
  ListRooms: [{ cursor?: string; limit?: number; archived?: boolean; query?: string }, { rooms: ListedRoom[]; cursor?: string }];
  GetRoom: [{ roomId: string }, { room: Room }];
  SendMessage: [SendRequest, { seq: Seq; sentAt: string; duplicate: boolean }];
  EditMessage: [{ roomId: string; seq: Seq; body: string }, { message: Message }];
  DeleteMessage: [{ roomId: string; seq: Seq }, { message: Message }];
  React: [{ roomId: string; seq: Seq; emoji: string; on: boolean }, object];
  MarkRead: [{ roomId: string; seq: Seq }, { readSeq: Seq }];
  MarkDelivered: [{ roomId: string; seq: Seq }, { deliveredSeq: Seq }];
  GetHistory: [{ roomId: string; before?: Seq; after?: Seq; limit?: number }, { messages: Message[]; hasMore: boolean }];
  Resume: [{ rooms: { roomId: string; seq: Seq }[] }, { rooms: ResumedRoom[]; joined: string[]; left: string[] }];
  SetTyping: [{ roomId: string; typing: boolean }, object];
  SetPresence: [{ status: 'online' | 'away' }, object];
  WatchPresence: [{ userIds: string[] }, { users: Presence[] }];
  SearchUsers: [{ query?: string; cursor?: string; limit?: number }, { users: FoundUser[]; cursor?: string }];
  SearchMessages: [{ query: string; roomId?: string; cursor?: string; limit?: number }, { messages: Message[]; cursor?: string }];
  CreateUpload: [UploadRequest, UploadTicket];
  GetAttachmentUrl: [{ roomId: string; attachmentId: string }, { url: string; expiresAt: string }];
}

/** Every stream from the server: its request and its items. */
export interface Streams {
  StreamHistory: [{ roomId: string; from?: Seq; to?: Seq }, Message];
}

export type Method = keyof Methods;
export type StreamMethod = keyof Streams;
export type Request<M extends Method> = Methods[M][0];
export type Answer<M extends Method> = Methods[M][1];

/** Every event. Those with `seq` and `prev` are part of their room's order. */
export interface Events {
  MessageCreated: MessageEvent;
  MessageEdited: MessageEvent;
  MessageDeleted: MessageEvent;
  ReactionChanged: ReactionEvent;
  RoomUpdated: RoomUpdatedEvent;
  RoomAdded: { room: Room };
  RoomRemoved: { roomId: string };
  ReceiptsUpdated: { roomId: string; receipts: Receipt[] };
  MessagesStored: { roomId: string; seqs: Seq[] };
  Typing: { roomId: string; userId: string; typing: boolean };
  PresenceChanged: Presence;
  PersonChanged: { userId: string; displayName: string };
}

export type EventName = keyof Events;

/** The events that are part of a room's order. */
export const SEQUENCED = ['MessageCreated', 'MessageEdited', 'MessageDeleted', 'ReactionChanged', 'RoomUpdated'] as const;
export const UNSEQUENCED = ['RoomAdded', 'RoomRemoved', 'ReceiptsUpdated', 'MessagesStored', 'Typing', 'PresenceChanged', 'PersonChanged'] as const;

interface Placed {
  roomId: string;
  seq: Seq;
  prev: Seq;
}
export interface MessageEvent extends Placed {
  message: Message;
}
export interface ReactionEvent extends Placed {
  messageSeq: Seq;
  emoji: string;
  userId: string;
  on: boolean;
}
export interface RoomUpdatedEvent extends Placed {
  change: RoomChange;
  room: Room;
}
export type RoomChange = 'renamed' | 'membersAdded' | 'memberRemoved' | 'roleChanged' | 'archived' | 'unarchived';

/** A sequenced event with its name, as in a resume. */
export type RoomEvent =
  | ({ type: 'MessageCreated' | 'MessageEdited' | 'MessageDeleted' } & MessageEvent)
  | ({ type: 'ReactionChanged' } & ReactionEvent)
  | ({ type: 'RoomUpdated' } & RoomUpdatedEvent);

export type RoomKind = 'direct' | 'group';

export interface Member {
  userId: string;
  displayName: string;
  role: 'owner' | 'member';
  readSeq: Seq;
  deliveredSeq: Seq;
}

export interface Room {
  roomId: string;
  kind: RoomKind;
  name?: string;
  caseId?: string;
  createdBy: string;
  createdAt: string;
  archived: boolean;
  headSeq: Seq;
  /** Absent in lists, and in events of large rooms. */
  members?: Member[];
  memberCount: number;
}

export interface ListedRoom {
  room: Room;
  headSeq: Seq;
  lastMessage?: Message;
  unread: number;
  /** There may be more: storing is behind after a loss. */
  unreadAtLeast?: boolean;
  mentions?: number;
  readSeq: Seq;
  deliveredSeq: Seq;
}

export interface Attachment {
  attachmentId: string;
  fileName: string;
  contentType: string;
  sizeBytes: number;
}

export interface Reaction {
  emoji: string;
  userIds: string[];
}

export interface Message {
  roomId: string;
  /** The message's id and its position in the order. */
  seq: Seq;
  /** The seq of the last change. */
  version: Seq;
  clientId: string;
  senderId: string;
  sentAt: string;
  body: string;
  attachments: Attachment[];
  replyTo?: Seq;
  editedAt?: string;
  deleted: boolean;
  reactions: Reaction[];
  /** Ids of the mentioned members. */
  mentions?: string[];
}

export interface SendRequest {
  roomId: string;
  clientId: string;
  body?: string;
  attachmentIds?: string[];
  replyTo?: Seq;
}

export interface ResumedRoom {
  roomId: string;
  events: RoomEvent[];
  headSeq: Seq;
  truncated: boolean;
}

export interface Receipt {
  userId: string;
  readSeq?: Seq;
  deliveredSeq?: Seq;
}

export type PresenceStatus = 'online' | 'away' | 'offline';

export interface Presence {
  userId: string;
  status: PresenceStatus;
  lastSeenAt?: string;
}

export interface FoundUser {
  userId: string;
  displayName: string;
  status?: PresenceStatus;
}

export interface UploadRequest {
  roomId: string;
  fileName: string;
  contentType: string;
  sizeBytes: number;
  /** Lower-case hex. */
  sha256: string;
}

export interface UploadTicket {
  attachmentId: string;
  url: string;
  method: string;
  headers: Record<string, string>;
  expiresAt: string;
}
