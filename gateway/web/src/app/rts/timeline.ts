import { Signal, signal } from '@angular/core';
import { Message, ReactionEvent, Seq } from './contract';

/** Limit of live messages that wait while the window is elsewhere; merged when it is back at the newest. */
const TAIL_MAX = 500;

/**
 * The known messages of a room: one window without holes, ascending, each seq once.
 *
 * `atNewest` is true if the window ends at the room's newest message. While it does not (after a jump far back), live
 * messages wait in a tail.
 */
export class Timeline {
  private readonly messagesSignal = signal<readonly Message[]>([]);
  private readonly hasOlderSignal = signal(true);
  private readonly atNewestSignal = signal(true);
  private readonly loadedSignal = signal(false);
  private tail: Message[] = [];
  private reading = false;
  /** Live changes while a page is read, which may be older than they are. */
  private meanwhile: (Message | ReactionEvent)[] = [];

  readonly messages: Signal<readonly Message[]> = this.messagesSignal.asReadonly();
  readonly hasOlder: Signal<boolean> = this.hasOlderSignal.asReadonly();
  readonly atNewest: Signal<boolean> = this.atNewestSignal.asReadonly();
  /** True once a page of history was read; until then nothing is shown. */
  readonly loaded: Signal<boolean> = this.loadedSignal.asReadonly();

  get oldestSeq(): Seq | undefined {
    return this.messagesSignal()[0]?.seq;
  }

  get newestSeq(): Seq | undefined {
    return this.messagesSignal().at(-1)?.seq;
  }

  find(seq: Seq): Message | undefined {
    const messages = this.messagesSignal();
    const index = position(messages, seq);
    const found = messages[index];
    return found?.seq === seq ? found : undefined;
  }

  findClient(senderId: string, clientId: string): Message | undefined {
    const same = (message: Message): boolean => message.clientId === clientId && message.senderId === senderId;
    return this.messagesSignal().findLast(same) ?? this.tail.findLast(same);
  }

  /** Takes in a live message, or a newer state of one. */
  put(message: Message): void {
    const newest = this.newestSeq ?? 0;
    const inside = message.seq <= newest && message.seq >= (this.oldestSeq ?? Infinity);
    const shown = this.loadedSignal() && (inside || (this.atNewestSignal() && message.seq > newest));
    if (shown) {
      this.merge([message]);
    }
    if (this.reading) {
      this.meanwhile.push(message);
    }
    if (!shown && message.seq > newest) {
      this.tail = merged(this.tail, [message]).slice(-TAIL_MAX) as Message[];
    }
  }

  react(event: ReactionEvent): void {
    if (this.reading) {
      this.meanwhile.push(event);
    }
    this.applyReaction(event);
  }

  private applyReaction(event: ReactionEvent): void {
    const update = (message: Message): Message => withReaction(message, event);
    this.messagesSignal.update((all) => {
      const index = position(all, event.messageSeq);
      const found = all[index];
      return found?.seq === event.messageSeq && found.version < event.seq ? all.with(index, update(found)) : all;
    });
    this.tail = this.tail.map((m) => (m.seq === event.messageSeq && m.version < event.seq ? update(m) : m));
  }

  /** Called before a page is read: live changes from now on may be newer than the page. */
  beginReading(): void {
    this.reading = true;
  }

  /** Called once the page is in, or could not be read. */
  endReading(): void {
    const { meanwhile } = this;
    this.reading = false;
    this.meanwhile = [];
    for (const change of meanwhile) {
      'messageSeq' in change ? this.applyReaction(change) : this.refresh([change]);
    }
  }

  /** Replaces the window with the newest page, plus the live messages since. */
  replaceNewest(page: readonly Message[], hasOlder: boolean): void {
    const late = [...this.tail, ...this.meanwhile.flatMap((change) => ('messageSeq' in change ? [] : [change]))];
    this.messagesSignal.set(merged(page, late.filter((m) => m.seq > (page.at(-1)?.seq ?? 0))));
    this.refresh(late);
    this.tail = [];
    this.endReading();
    this.hasOlderSignal.set(hasOlder);
    this.atNewestSignal.set(true);
    this.loadedSignal.set(true);
  }

  /** Replaces the window with one in the past. */
  replaceAround(page: readonly Message[], hasOlder: boolean, hasNewer: boolean): void {
    if (!hasNewer) {
      this.replaceNewest(page, hasOlder);
      return;
    }
    this.tail = merged(this.messagesSignal(), this.tail).slice(-TAIL_MAX) as Message[];
    this.messagesSignal.set(merged([], page));
    this.endReading();
    this.hasOlderSignal.set(hasOlder);
    this.atNewestSignal.set(false);
    this.loadedSignal.set(true);
  }

  /** Puts a page before the window. */
  prepend(page: readonly Message[], hasMore: boolean): void {
    this.merge(page);
    this.endReading();
    this.hasOlderSignal.set(hasMore);
  }

  /** Puts a page after the window. */
  append(page: readonly Message[], hasMore: boolean): void {
    this.merge(page);
    this.endReading();
    if (!hasMore) {
      const newest = this.newestSeq ?? 0;
      this.merge(this.tail.filter((message) => message.seq > newest));
      this.refresh(this.tail);
      this.tail = [];
      this.atNewestSignal.set(true);
    }
  }

  /** Forgets everything, for a room whose history has to be read again. */
  reset(): void {
    this.messagesSignal.set([]);
    this.tail = [];
    this.meanwhile = [];
    this.reading = false;
    this.hasOlderSignal.set(true);
    this.atNewestSignal.set(true);
    this.loadedSignal.set(false);
  }

  private merge(more: readonly Message[]): void {
    this.messagesSignal.update((all) => merged(all, more));
  }

  /** Updates messages in the window. */
  private refresh(states: readonly Message[]): void {
    this.merge(states.filter((state) => this.find(state.seq) !== undefined));
  }
}

/** Returns the index of the first message at or after `seq`. */
function position(messages: readonly Message[], seq: Seq): number {
  let low = 0;
  let high = messages.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((messages[middle]?.seq ?? Infinity) < seq) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

/** Merges two lists in order; the newer version of a message wins. */
function merged(all: readonly Message[], more: readonly Message[]): readonly Message[] {
  if (more.length === 0) {
    return all;
  }
  const bySeq = new Map(all.map((message) => [message.seq, message]));
  for (const message of more) {
    const known = bySeq.get(message.seq);
    if (known === undefined || known.version < message.version) {
      bySeq.set(message.seq, message);
    }
  }
  const values = [...bySeq.values()];
  return values.sort((a, b) => a.seq - b.seq);
}

function withReaction(message: Message, { emoji, userId, on, seq }: ReactionEvent): Message {
  const others = (ids: readonly string[]): string[] => ids.filter((id) => id !== userId);
  const known = message.reactions.some((reaction) => reaction.emoji === emoji);
  const changed = known
    ? message.reactions.map((r) => (r.emoji === emoji ? { emoji, userIds: on ? [...others(r.userIds), userId] : others(r.userIds) } : r))
    : [...message.reactions, { emoji, userIds: on ? [userId] : [] }];
  return { ...message, version: seq, reactions: changed.filter((reaction) => reaction.userIds.length > 0) };
}
