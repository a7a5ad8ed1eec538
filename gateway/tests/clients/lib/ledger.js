// The expected result of a conversation: every acked message in its last version, by room.

/** Kept by a test while its users talk. */
export class Ledger {
  constructor() {
    this.rooms = new Map();
  }

  #room(roomId) {
    if (!this.rooms.has(roomId)) this.rooms.set(roomId, new Map());
    return this.rooms.get(roomId);
  }

  /** Records an acked send. */
  sent(roomId, senderId, clientId, body, { seq }) {
    const message = { seq, version: seq, senderId, clientId, body, deleted: false };
    this.#room(roomId).set(seq, message);
    return message;
  }

  /** Records an acked change, with the message as it is now. */
  changed(roomId, { seq, version, body, deleted }) {
    const message = this.#room(roomId).get(seq);
    if (version > message.version) Object.assign(message, { version, body, deleted });
    return message;
  }

  /** All messages of a room, ascending. */
  messages(roomId) {
    return [...this.#room(roomId).values()].sort((one, other) => one.seq - other.seq);
  }

  /** The number of messages that are unread for a user who has read up to a seq. */
  unread(roomId, user, readSeq) {
    return this.messages(roomId).filter((m) => m.seq > readSeq && m.senderId !== user && !m.deleted).length;
  }
}

/** The fields of a message that the ledger compares. */
export const essence = ({ seq, version, senderId, clientId, body, deleted }) => ({
  seq,
  version,
  senderId,
  clientId,
  body,
  deleted,
});
