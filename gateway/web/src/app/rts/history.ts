import { Signal, signal } from '@angular/core';
import { RtsConnection } from './connection';
import { Message, Seq } from './contract';
import { Timeline } from './timeline';

const PAGE = 100;
const FIRST_PAGE = 60;
/** Limit of messages outside the window that are read again after a truncated resume; older ones when shown. */
const KEPT_MAX = 100;

/** Reads pages of a room's history into its timeline, one at a time. */
export class History {
  private readonly busySignal = signal(false);
  /** Messages outside the window that are shown somewhere; `undefined` if the message does not exist. */
  private readonly kept = signal<ReadonlyMap<Seq, Message | undefined>>(new Map());
  private readonly asked = new Set<Seq>();
  private chain: Promise<unknown> = Promise.resolve();

  readonly busy: Signal<boolean> = this.busySignal.asReadonly();

  constructor(
    private readonly roomId: string,
    private readonly connection: RtsConnection,
    private readonly timeline: Timeline,
  ) {}

  /** Reads the newest page, after which the timeline ends at the newest message. */
  newest(): Promise<void> {
    return this.alone(async () => {
      const { messages, hasMore } = await this.page({ limit: FIRST_PAGE });
      this.timeline.replaceNewest(messages, hasMore);
    });
  }

  /** Reads the page before the window. */
  older(): Promise<void> {
    return this.alone(async () => {
      const before = this.timeline.oldestSeq;
      if (before !== undefined && this.timeline.hasOlder()) {
        const { messages, hasMore } = await this.page({ before, limit: PAGE });
        this.timeline.prepend(messages, hasMore);
      }
    });
  }

  /** Reads the page after a window that does not end at the newest message. */
  newer(): Promise<void> {
    return this.alone(async () => {
      const after = this.timeline.newestSeq;
      if (after !== undefined && !this.timeline.atNewest()) {
        const { messages, hasMore } = await this.page({ after, limit: PAGE });
        this.timeline.append(messages, hasMore);
      }
    });
  }

  /** Moves the window to `seq`, unless the window already holds it. */
  around(seq: Seq): Promise<void> {
    return this.alone(async () => {
      if (this.timeline.find(seq) !== undefined) {
        return;
      }
      const [before, after] = await Promise.all([
        this.page({ before: seq + 1, limit: FIRST_PAGE }),
        this.page({ after: seq, limit: FIRST_PAGE }),
      ]);
      this.timeline.replaceAround([...before.messages, ...after.messages], before.hasMore, after.hasMore);
    });
  }

  /** Returns a message that another one quotes; `undefined` until it was read. */
  cited(seq: Seq): Message | undefined {
    return this.timeline.find(seq) ?? this.kept().get(seq);
  }

  async fetchCited(seq: Seq): Promise<void> {
    if (this.timeline.find(seq) === undefined && !this.kept().has(seq) && !this.asked.has(seq)) {
      await this.fetch(seq);
    }
  }

  /** Follows the edits and the delete of a message, wherever the window is: `cited` returns its newest state. */
  keep(message: Message): void {
    this.hold(message.seq, message);
  }

  /** Takes in a newer state of a message. */
  changed(message: Message): void {
    if (this.kept().has(message.seq) || this.asked.has(message.seq)) {
      this.hold(message.seq, message);
    }
  }

  /** Reads the kept messages again, after changes were missed. */
  async refresh(): Promise<void> {
    const seqs = [...this.kept().keys()].slice(-KEPT_MAX);
    this.kept.update((all) => new Map(seqs.map((seq) => [seq, all.get(seq)])));
    try {
      for (const seq of seqs) {
        await this.fetch(seq);
      }
    } catch (error) {
      // Better to show nothing than an old state: the views will ask again.
      this.kept.set(new Map());
      throw error;
    }
  }

  private async fetch(seq: Seq): Promise<void> {
    this.asked.add(seq);
    try {
      const { messages } = await this.page({ after: seq - 1, limit: 1 });
      this.hold(seq, messages.find((message) => message.seq === seq));
    } finally {
      this.asked.delete(seq);
    }
  }

  private hold(seq: Seq, message: Message | undefined): void {
    this.kept.update((all) => ((all.get(seq)?.version ?? -1) >= (message?.version ?? 0) ? all : new Map(all).set(seq, message)));
  }

  private page(range: { before?: Seq; after?: Seq; limit: number }): Promise<{ messages: Message[]; hasMore: boolean }> {
    return this.connection.invoke('GetHistory', { roomId: this.roomId, ...range });
  }

  private alone(read: () => Promise<void>): Promise<void> {
    const turn = this.chain.then(async () => {
      this.busySignal.set(true);
      this.timeline.beginReading();
      try {
        await read();
      } finally {
        this.busySignal.set(false);
        this.timeline.endReading();
      }
    });
    this.chain = turn.catch(() => undefined);
    return turn;
  }
}
