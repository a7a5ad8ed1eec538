// Twenty users who talk while something fails, and the recording that the checker judges afterwards.

import { check, describe } from "./checker.js";
import { essence } from "./ledger.js";
import { ResilientClient, historyOf } from "./resilient-client.js";
import { VERSIONS } from "./signalr.js";
import { pause, until } from "./wait.js";

const USERS = 20;
/** Time between two messages of one user: about 60 a second in total, which the stand-in handles easily. */
const PACE_MS = 250;
/** Rules that a conversation may break while it is still on its way to DynamoDB. */
const STORAGE_RULES = ["not-stored", "stored-other", "stored-more"];
/** Every n-th message of a user is edited, or deleted, or the room is read up to it. */
const EDIT_EVERY = 9;
const DELETE_EVERY = 13;
const READ_EVERY = 7;

/** The conversation of twenty users in one large group, five small ones and ten direct rooms. */
export class Load {
  /** @param {{name: string, resend?: (index: number) => boolean}} options `resend` selects the users that retry unacked sends */
  constructor(cluster, { name, resend = () => true }) {
    this.cluster = cluster;
    this.name = name;
    this.resend = resend;
    this.users = [];
    this.rooms = [];
    this.ending = false;
  }

  /** Connects everyone through the balancer and creates the rooms. */
  async start() {
    const ids = Array.from({ length: USERS }, (_, index) => `${this.name}-u${index}`);
    this.users = ids.map((user, index) => {
      const token = () => this.cluster.token({ sub: user });
      return new ResilientClient({ url: this.cluster.hubUrl(), user, token, version: VERSIONS[index % VERSIONS.length] });
    });
    for (const user of this.users) {
      await this.cluster.shuffle();
      await user.start();
    }
    const counts = await this.cluster.connections();
    if (counts.some((count) => count === 0)) throw new Error(`a node has no connections: ${counts}`);
    await this.#makeRoom("group", this.users);
    for (let first = 0; first < USERS; first += 4) await this.#makeRoom("group", this.users.slice(first, first + 4));
    for (let first = 0; first < USERS; first += 2) await this.#makeRoom("direct", this.users.slice(first, first + 2));
  }

  async #makeRoom(kind, members) {
    const [owner, ...others] = members;
    const { room } = await owner.client.call("CreateRoom", { kind, memberIds: others.map(({ name }) => name) });
    for (const member of members) {
      await member.client.notice("RoomAdded", (added) => added.room.roomId === room.roomId);
      member.follow(room.roomId, 0);
    }
    this.rooms.push({ roomId: room.roomId, members });
  }

  /** Makes every user start sending. */
  talk() {
    this.talking = Promise.all(this.users.map((user, index) => this.#speak(user, index)));
    // A failure surfaces in `stop`, or earlier in `moreAcked`.
    this.talking.catch((error) => (this.failure = error));
  }

  async #speak(user, index) {
    const mine = this.rooms.filter(({ members }) => members.includes(user));
    await pause((PACE_MS * index) / USERS);
    for (let number = 1; !this.ending; number += 1) {
      const begun = Date.now();
      const { roomId } = mine[number % mine.length];
      const ack = await user.send(roomId, `${user.name} ${number}`, { resend: this.resend(index) });
      if (ack && number % DELETE_EVERY === 0) await user.remove(ack);
      else if (ack && number % EDIT_EVERY === 0) await user.edit(ack, `${ack.body} (edited)`);
      if (ack && number % READ_EVERY === 0) await user.read(ack);
      await pause(Math.max(0, PACE_MS - (Date.now() - begun)));
    }
  }

  get acked() {
    return this.users.reduce((total, user) => total + user.acked.length, 0);
  }

  /** Waits until `count` more messages are acked. */
  async moreAcked(count, deadlineMs = 60_000) {
    const goal = this.acked + count;
    const reached = () => {
      if (this.failure) return true;
      return this.acked >= goal;
    };
    await until(reached, () => `${count} more acks, ${goal - this.acked} are missing`, deadlineMs);
    if (this.failure) throw this.failure;
  }

  /** Lets every user finish its current message, and waits until everyone has received everything. */
  async stop() {
    this.ending = true;
    await this.talking;
    const heads = async () => {
      const found = new Map();
      for (const { roomId, members } of this.rooms) {
        const { room } = await members[0].client.call("GetRoom", { roomId });
        found.set(roomId, room.headSeq);
      }
      return found;
    };
    const settled = async () => {
      const at = await heads();
      return this.users.every((user) => user.isAt(at));
    };
    const late = () => `everyone heard everything; connected: ${this.users.filter((user) => user.client.connected).length}`;
    await until(settled, late, 60_000, 250);
    // Once more, as an app does after waking up; there is nothing new.
    await Promise.all(this.users.map((user) => user.resume()));
  }

  /** Waits until DynamoDB matches history, and runs the checker on the whole recording. */
  async verdict({ redisLost = false, drainMs = 90_000 } = {}) {
    let recording;
    let last = "";
    // Marks are gathered by gateways for ten seconds: those that Redis lost come back by storage.
    const awaited = redisLost ? [...STORAGE_RULES, "mark-lost"] : STORAGE_RULES;
    const drained = async () => {
      recording = await this.#record();
      const open = check(recording, { redisLost }).filter(({ rule }) => awaited.includes(rule));
      last = describe(open, 2);
      return open.length === 0;
    };
    await until(drained, () => `DynamoDB is drained:\n${last}`, drainMs, 1000).catch((error) => {
      // The violations say what is wrong, and more than this error.
      if (recording === undefined) throw error;
    });
    return { violations: check(recording, { redisLost }), recording };
  }

  async #record() {
    const history = {};
    const stored = {};
    for (const { roomId, members } of this.rooms) {
      history[roomId] = await historyOf(members[0].client, roomId);
      const items = await this.cluster.dynamo.messages(roomId, history[roomId].map(({ seq }) => seq));
      stored[roomId] = items.map(essence);
    }
    return {
      acked: this.users.flatMap(({ acked }) => acked),
      changes: this.users.flatMap(({ changes }) => changes),
      clients: this.users.map((user) => user.recording()),
      lists: (await Promise.all(this.users.map((user) => this.#lists(user)))).flat(),
      history,
      stored,
    };
  }

  async #lists(user) {
    const { rooms } = await user.client.call("ListRooms", { limit: 200 });
    return rooms.map(({ room: { roomId }, readSeq, unread }) => {
      return { userId: user.name, roomId, readSeq, unread, marked: user.marks.get(roomId) ?? 0 };
    });
  }

  /** The counts of a run, for its report. */
  summary() {
    const count = (of) => this.users.reduce((total, user) => total + of(user), 0);
    const numbers = {
      acked: this.acked,
      changed: count(({ changes }) => changes.length),
      duplicates: count(({ duplicates }) => duplicates),
      abandoned: count(({ abandoned }) => abandoned),
      reconnects: count(({ client }) => client.reconnects),
      resumes: count(({ resumes }) => resumes),
    };
    return Object.entries(numbers).map(([name, number]) => `${name} ${number}`).join(", ");
  }

  /** Disconnects everyone. */
  async end() {
    this.ending = true;
    await Promise.allSettled(this.users.map((user) => user.stop()));
  }
}
