// A small client layer as an app would build it on a stock client: it reconnects, retries unacked sends
// under the same clientId, resumes, and drops what it already has. It records every step for the
// checker.

import { ChatClient, HubError } from "./chat-client.js";
import { backOff, pause, until } from "./wait.js";

const RETRY_MS = 150;
const PAGE = 200;
const FOUND_AGAIN_MS = 30_000;
/** Reconnects quickly and never gives up. */
const RECONNECT = { nextRetryDelayInMilliseconds: ({ previousRetryCount }) => (previousRetryCount === 0 ? 0 : 300) };

/** A user whose app must not miss any part of the conversation, whatever fails. */
export class ResilientClient {
  /** @param {object} options see {@link ChatClient} */
  constructor(options) {
    this.client = new ChatClient({ ...options, reconnect: RECONNECT });
    this.name = options.user;
    /** Rooms followed: the seq to start from, the last seq taken, and every step. */
    this.rooms = new Map();
    this.acked = [];
    this.changes = [];
    /** The highest seq that was acked as read, by room. */
    this.marks = new Map();
    /** Sends given up without an answer. */
    this.abandoned = 0;
    /** Sends answered as duplicates: the first attempt had taken effect. */
    this.duplicates = 0;
    this.resumes = 0;
    this.made = 0;
    this.stopping = false;
    this.resuming = undefined;
    this.again = false;
    this.client.listener = {
      onRoomEvent: (event) => this.#hear(event),
      onReconnecting: () => (this.dirty = true),
      onReconnected: () => this.resume(),
      onClosed: () => this.#restart(),
    };
  }

  async start() {
    for (let attempt = 0; ; attempt += 1) {
      try {
        await this.client.start();
        return this;
      } catch (error) {
        if (this.stopping) throw error;
        await backOff(attempt);
      }
    }
  }

  async stop() {
    this.stopping = true;
    await this.client.stop();
  }

  /** Follows a room from a seq up to which the client has everything. */
  follow(roomId, from) {
    this.rooms.set(roomId, { from, last: from, steps: [], waiting: [] });
  }

  /** The client's part of the recording. */
  recording() {
    const rooms = [...this.rooms].map(([roomId, { from, steps }]) => [roomId, { from, steps }]);
    return { name: this.name, rooms: Object.fromEntries(rooms) };
  }

  // The stock client has given up: the app connects again and resumes.
  async #restart() {
    if (this.stopping) return;
    this.dirty = true;
    await this.start();
    await this.resume();
  }

  #hear(event) {
    const room = this.rooms.get(event.roomId);
    if (!room) return;
    // Events that arrive on a new connection before the resume is answered come after those of the resume.
    if (this.dirty || this.resuming) room.waiting.push(event);
    else this.#take(room, event);
  }

  #take(room, event) {
    if (event.seq <= room.last) {
      room.steps.push({ kind: "repeat", event });
    } else if (event.prev !== room.last) {
      room.steps.push({ kind: "gap", event });
      this.dirty = true;
      void this.resume();
    } else {
      room.steps.push({ kind: "live", event });
      room.last = event.seq;
    }
  }

  /** Resumes every room; one resume runs at a time, and is repeated if requested again meanwhile. */
  resume() {
    if (this.resuming) {
      this.again = true;
      return this.resuming;
    }
    this.resuming = this.#resumeUntilDone().finally(() => {
      this.resuming = undefined;
      this.#takeWaiting();
    });
    return this.resuming;
  }

  async #resumeUntilDone() {
    let attempt = 0;
    do {
      this.again = false;
      this.dirty = false;
      try {
        await this.#resumeOnce();
      } catch (error) {
        if (error instanceof HubError && !isTransient(error)) throw error;
        if (this.stopping) return;
        this.dirty = true;
        this.again = true;
        await backOff(attempt, error.retryAfterMs);
        attempt += 1;
      }
    } while (this.again);
  }

  async #resumeOnce() {
    this.resumes += 1;
    const rooms = [...this.rooms].map(([roomId, { last }]) => ({ roomId, seq: last }));
    const answer = await this.client.call("Resume", { rooms });
    if (answer.left.length > 0) throw new HubError("internal", `a resume lost rooms: ${answer.left}`);
    for (const resumed of answer.rooms) {
      const room = this.rooms.get(resumed.roomId);
      if (resumed.truncated) await this.#readHistory(resumed.roomId, room, resumed.headSeq);
      for (const event of resumed.events) {
        if (event.seq <= room.last) continue;
        room.steps.push({ kind: "resumed", event });
        room.last = event.seq;
      }
    }
  }

  // After a loss of Redis, a lost seq may be beyond the room's head: then the whole history is read again.
  async #readHistory(roomId, room, headSeq) {
    const after = room.last > headSeq ? room.from : room.last;
    const messages = await historyOf(this.client, roomId, after);
    room.steps.push({ kind: "truncated", from: room.last, headSeq, messages: messages.filter(({ seq }) => seq <= headSeq) });
    room.last = headSeq;
  }

  #takeWaiting() {
    for (const room of this.rooms.values()) {
      const waiting = room.waiting;
      room.waiting = [];
      for (const event of waiting) {
        if (this.dirty) room.waiting.push(event);
        else this.#take(room, event);
      }
    }
  }

  /**
   * Retries a message under one clientId until it is acked.
   * @param {{resend?: boolean}} [options] without `resend` it is tried once, as by an app that crashed
   * @returns its ack, or undefined if it was given up
   */
  async send(roomId, body, { resend = true } = {}) {
    const clientId = `${this.name}-${(this.made += 1)}`;
    const answer = await this.#insist("SendMessage", { roomId, clientId, body }, resend);
    if (!answer) {
      this.abandoned += 1;
      return undefined;
    }
    if (answer.duplicate) this.duplicates += 1;
    const ack = { roomId, senderId: this.name, clientId, seq: answer.seq, body };
    this.acked.push(ack);
    return ack;
  }

  /** Edits one of the user's own messages, retrying until it is acked. */
  async edit({ roomId, seq }, body) {
    const { message } = await this.#change("EditMessage", { roomId, seq, body });
    this.changes.push({ roomId, seq, version: message.version, body });
  }

  /** Deletes one of the user's own messages, retrying until it is acked. */
  async remove({ roomId, seq }) {
    const { message } = await this.#change("DeleteMessage", { roomId, seq });
    this.changes.push({ roomId, seq, version: message.version, deleted: true });
  }

  // After Redis lost its data, an acked message is not found until the queue has been processed.
  async #change(method, request) {
    const deadline = Date.now() + FOUND_AGAIN_MS;
    for (;;) {
      try {
        return await this.#insist(method, request);
      } catch (error) {
        if (error.code !== "notFound" || Date.now() > deadline) throw error;
        await pause(RETRY_MS);
      }
    }
  }

  /** Marks a message as read, retrying until it is acked. */
  async read({ roomId, seq }) {
    const { readSeq } = await this.#insist("MarkRead", { roomId, seq });
    this.marks.set(roomId, Math.max(readSeq, this.marks.get(roomId) ?? 0));
  }

  async #insist(method, request, again = true) {
    for (let attempt = 0; ; attempt += 1) {
      try {
        return await this.client.call(method, request);
      } catch (error) {
        if (error instanceof HubError && !isTransient(error)) throw error;
        if (this.stopping || (!again && error.code !== "rateLimited")) return undefined;
        await backOff(attempt, error.retryAfterMs);
        await until(() => this.client.connected || this.stopping, `${this.name} is connected again`, 60_000);
      }
    }
  }

  /** True if everything up to these heads was taken. */
  isAt(heads) {
    const settled = !this.dirty && !this.resuming && this.client.connected;
    return settled && [...this.rooms].every(([roomId, { last }]) => last === heads.get(roomId));
  }
}

const isTransient = (error) => error.code === "unavailable" || error.code === "rateLimited";

/** Reads all messages of a room after a seq, page by page, ascending. */
export async function historyOf(client, roomId, after = 0) {
  const all = [];
  for (let from = after; ; ) {
    const page = await client.call("GetHistory", { roomId, after: from, limit: PAGE });
    all.push(...page.messages);
    if (!page.hasMore) return all;
    from = page.messages.at(-1).seq;
  }
}
