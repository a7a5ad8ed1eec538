// One connection of a user through a stock SignalR client, which records everything it receives.

import { checkAnswer, checkEvent } from "./schema.js";
import { CLIENTS, hubProtocol } from "./signalr.js";
import { until, within } from "./wait.js";

/** Sequenced events of a room. */
export const ROOM_EVENTS = ["MessageCreated", "MessageEdited", "MessageDeleted", "ReactionChanged", "RoomUpdated"];
const OTHER_EVENTS = ["RoomAdded", "RoomRemoved", "ReceiptsUpdated", "MessagesStored", "Typing", "PresenceChanged", "PersonChanged"];
const CALL_DEADLINE_MS = 20_000;

/** A call that the hub rejected. */
export class HubError extends Error {
  constructor(code, sentence) {
    super(`${code}: ${sentence}`);
    this.code = code;
    this.sentence = sentence;
    const wait = /retryAfterMs=(\d+)$/.exec(sentence);
    this.retryAfterMs = wait ? Number(wait[1]) : undefined;
  }

  /** Converts the error of a stock client; any other failure is returned unchanged. */
  static from(error, method) {
    const text = String(error?.message ?? error);
    const start = `An unexpected error occurred invoking '${method}' on the server. HubException: `;
    const found = text.startsWith(start) && /^([a-zA-Z]+): (.+)$/s.exec(text.slice(start.length));
    return found ? new HubError(found[1], found[2]) : error;
  }
}

/** A user's connection. */
export class ChatClient {
  /**
   * @param {object} options
   * @param {string} options.url of the hub
   * @param {() => string} options.token makes a token for each connection
   * @param {string} options.user the user's id
   * @param {10 | 8 | 5} [options.version] of the stock client
   * @param {"json" | "messagepack"} [options.protocol]
   * @param {number} [options.transport] of `HttpTransportType`; else WebSockets
   * @param {object | number[]} [options.reconnect] policy of the stock client's automatic reconnect; without it there is none
   * @param {boolean} [options.stateful] follow a lost socket with another one of the same session
   */
  constructor({ url, token, user, version = 10, protocol = "json", reconnect, transport, stateful }) {
    const signalr = CLIENTS.get(version);
    this.user = user;
    this.version = version;
    /** Sequenced events by room, in the order received. */
    this.rooms = new Map();
    /** All other events, with their `type`. */
    this.notices = [];
    this.closed = undefined;
    this.reconnects = 0;
    this.listener = undefined;
    const builder = new signalr.HubConnectionBuilder()
      .withUrl(url, { accessTokenFactory: token, transport: transport ?? signalr.HttpTransportType.WebSockets })
      .configureLogging(signalr.LogLevel.None);
    if (protocol !== "json") builder.withHubProtocol(hubProtocol(version, protocol));
    if (stateful) builder.withStatefulReconnect();
    if (reconnect) builder.withAutomaticReconnect(reconnect);
    this.connection = builder.build();
    this.#listen();
  }

  /** A handler's error would only reach the client's log: it ends the connection and fails the next call. */
  #check(type, event) {
    try {
      checkEvent(type, event);
    } catch (error) {
      this.fault ??= error;
      void this.connection.stop();
    }
  }

  #listen() {
    for (const type of ROOM_EVENTS) {
      this.connection.on(type, (event) => {
        this.#check(type, event);
        const noted = { type, ...event };
        this.events(event.roomId).push(noted);
        this.listener?.onRoomEvent?.(noted);
      });
    }
    for (const type of OTHER_EVENTS) {
      this.connection.on(type, (event) => {
        this.#check(type, event);
        const noted = { type, ...event };
        this.notices.push(noted);
        this.listener?.onNotice?.(noted);
      });
    }
    this.connection.onclose((error) => {
      this.closed = { error };
      this.listener?.onClosed?.(error);
    });
    this.connection.onreconnecting((error) => this.listener?.onReconnecting?.(error));
    this.connection.onreconnected(() => {
      this.reconnects += 1;
      this.listener?.onReconnected?.();
    });
  }

  /** Connects. */
  async start() {
    await within(this.connection.start(), `start of ${this.user}`, CALL_DEADLINE_MS);
    this.closed = undefined;
    return this;
  }

  /** Closes the connection with a Close record. Fails if an event was not as the reference has it. */
  async stop() {
    if (this.fault) throw this.fault;
    await within(this.connection.stop(), `stop of ${this.user}`, CALL_DEADLINE_MS);
  }

  get connected() {
    return this.connection.state === "Connected";
  }

  /** Sequenced events of a room, as received. */
  events(roomId) {
    let events = this.rooms.get(roomId);
    if (!events) this.rooms.set(roomId, (events = []));
    return events;
  }

  /** Calls a method; rejects with a {@link HubError} if the hub does. */
  async call(method, ...args) {
    if (this.fault) throw this.fault;
    try {
      const answer = await within(this.connection.invoke(method, ...args), `${method} of ${this.user}`, CALL_DEADLINE_MS);
      checkAnswer(method, answer);
      return answer;
    } catch (error) {
      throw HubError.from(error, method);
    }
  }

  /** Returns the error that a call is rejected with; fails if it succeeds. */
  async refusal(method, ...args) {
    let answer;
    try {
      answer = await this.call(method, ...args);
    } catch (error) {
      return error;
    }
    throw new Error(`${method} ${JSON.stringify(args)} succeeded with ${JSON.stringify(answer)}`);
  }

  /** Waits for an event without a seq. */
  async notice(type, matches = () => true, deadlineMs = 10_000) {
    const found = () => this.notices.find((notice) => notice.type === type && matches(notice));
    return until(found, `${type} for ${this.user}`, deadlineMs);
  }

  /** Waits for a sequenced event of a room. */
  async event(roomId, type, matches = () => true, deadlineMs = 10_000) {
    const found = () => this.events(roomId).find((event) => event.type === type && matches(event));
    return until(found, `${type} in ${roomId} for ${this.user}`, deadlineMs);
  }
}
