import { Signal, computed, signal } from '@angular/core';
import { ListedRoom, Message, Seq } from './contract';

/** The server's ceiling; this number means "this many or more". */
export const UNREAD_MAX = 1_000;

interface Count {
  unread: number;
  mentions: number;
}

/** Loaded messages; `complete` if they include all messages after the read mark. */
export interface Known {
  messages: readonly Message[];
  complete: boolean;
}

/** Counts unread messages of other users: the server's count at one moment, kept up to date by live events. */
export class Unread {
  private readonly counted = new Map<Seq, boolean>();
  private baseHead: Seq = 0;
  private readonly base = signal<Count>({ unread: 0, mentions: 0 });
  private readonly live = signal<Count>({ unread: 0, mentions: 0 });
  private readonly readSeqSignal = signal<Seq>(0);

  readonly readSeq: Signal<Seq> = this.readSeqSignal.asReadonly();
  readonly count = computed(() => Math.min(UNREAD_MAX, this.base().unread + this.live().unread));
  readonly mentions = computed(() => this.base().mentions + this.live().mentions);

  constructor(private readonly userId: string) {}

  /** Takes the server's count as of its head, less what was read here since. */
  reset(listed: Pick<ListedRoom, 'unread' | 'mentions' | 'readSeq' | 'headSeq'>, known: Known): void {
    const readHere = this.readSeqSignal();
    this.counted.clear();
    this.baseHead = listed.headSeq;
    this.base.set({ unread: listed.unread, mentions: listed.mentions ?? 0 });
    this.readSeqSignal.set(listed.readSeq);
    this.recount();
    this.read(readHere, known);
  }

  created(message: Message): void {
    const counts = message.senderId !== this.userId && !message.deleted && message.seq > this.readSeqSignal();
    // The server's count may be newer than this event, which waited behind a gap.
    if (counts && message.seq > this.baseHead) {
      this.counted.set(message.seq, message.mentions?.includes(this.userId) ?? false);
      this.recount();
    }
  }

  /** Updates the counts after a delete. `before` is the known state. Returns true if the server has to count again. */
  deleted(message: Message, before: Message | undefined): boolean {
    if (this.counted.delete(message.seq)) {
      this.recount();
      return false;
    }
    if (!this.isInBase(message) || before?.deleted) {
      return false;
    }
    const mentioned = this.isMentioned(before);
    this.base.update(({ unread, mentions }) => ({
      unread: Math.max(0, unread - 1),
      mentions: Math.max(0, mentions - (mentioned ? 1 : 0)),
    }));
    return before === undefined && this.base().mentions > 0;
  }

  /** Updates the counts after an edit, which may add or remove a mention; parameters and result as for `deleted`. */
  edited(message: Message, before: Message | undefined): boolean {
    const mentioned = this.isMentioned(message);
    if (this.counted.has(message.seq)) {
      this.counted.set(message.seq, mentioned);
      this.recount();
      return false;
    }
    if (!this.isInBase(message) || (before !== undefined && before.version >= message.version)) {
      return false;
    }
    if (before !== undefined) {
      const change = Number(mentioned) - Number(this.isMentioned(before));
      this.base.update(({ unread, mentions }) => ({ unread, mentions: Math.max(0, mentions + change) }));
    }
    return before === undefined && (mentioned || this.base().mentions > 0);
  }

  /** Moves the read mark to `seq`, for a read here or on another device. */
  read(seq: Seq, { messages, complete }: Known): void {
    const before = this.readSeqSignal();
    if (seq <= before) {
      return;
    }
    this.readSeqSignal.set(seq);
    for (const counted of [...this.counted.keys()]) {
      if (counted <= seq) {
        this.counted.delete(counted);
      }
    }
    const counts = (m: Message): boolean => m.seq > before && m.seq <= this.baseHead && m.senderId !== this.userId && !m.deleted;
    const tally = (of: readonly Message[]): Count => ({
      unread: of.length,
      mentions: of.filter((m) => m.mentions?.includes(this.userId)).length,
    });
    const all = messages.filter(counts);
    if (complete) {
      this.base.set(tally(all.filter((m) => m.seq > seq)));
    } else {
      const read = tally(all.filter((m) => m.seq <= seq));
      this.base.update(({ unread, mentions }) => ({
        unread: Math.max(0, unread - read.unread),
        mentions: Math.max(0, mentions - read.mentions),
      }));
    }
    this.recount();
  }

  /** True if the server's count includes the unread message, but not its last change. */
  private isInBase({ seq, version, senderId }: Message): boolean {
    return seq <= this.baseHead && version > this.baseHead && seq > this.readSeqSignal() && senderId !== this.userId;
  }

  private isMentioned(message: Message | undefined): boolean {
    return message?.mentions?.includes(this.userId) ?? false;
  }

  private recount(): void {
    this.live.set({ unread: this.counted.size, mentions: [...this.counted.values()].filter(Boolean).length });
  }
}
