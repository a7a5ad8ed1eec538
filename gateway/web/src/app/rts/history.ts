import { Signal, signal } from '@angular/core';
import { RtsConnection } from './connection';
import { Message, Seq } from './contract';
import { Timeline } from './timeline';

const PAGE = 100;
const FIRST_PAGE = 60;

/** Pages of a room's history into its timeline; one reading at a time. */
export class History {
  private readonly busySignal = signal(false);
  private readonly citedSignal = signal<ReadonlyMap<Seq, Message | undefined>>(new Map());
  private chain: Promise<unknown> = Promise.resolve();

  readonly busy: Signal<boolean> = this.busySignal.asReadonly();

  constructor(
    private readonly roomId: string,
    private readonly connection: RtsConnection,
    private readonly timeline: Timeline,
  ) {}

  /** Reads the newest page; the timeline ends at the newest message then. */
  newest(): Promise<void> {
    return this.alone(async () => {
      this.timeline.beginReading();
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

  /** Reads the page after a window that does not end at the newest. */
  newer(): Promise<void> {
    return this.alone(async () => {
      const after = this.timeline.newestSeq;
      if (after !== undefined && !this.timeline.atNewest()) {
        const { messages, hasMore } = await this.page({ after, limit: PAGE });
        this.timeline.append(messages, hasMore);
      }
    });
  }

  /** Moves the window to where `seq` is, unless it is there already. */
  around(seq: Seq): Promise<void> {
    return this.alone(async () => {
      if (this.timeline.find(seq) !== undefined) {
        return;
      }
      this.timeline.beginReading();
      const [before, after] = await Promise.all([
        this.page({ before: seq + 1, limit: FIRST_PAGE }),
        this.page({ after: seq, limit: FIRST_PAGE }),
      ]);
      this.timeline.replaceAround([...before.messages, ...after.messages], before.hasMore, after.hasMore);
    });
  }

  /** A message that another one answers, read once if it is not at hand; `undefined` until then. */
  cited(seq: Seq): Message | undefined {
    return this.timeline.find(seq) ?? this.citedSignal().get(seq);
  }

  async fetchCited(seq: Seq): Promise<void> {
    if (this.timeline.find(seq) === undefined && !this.citedSignal().has(seq)) {
      const { messages } = await this.page({ after: seq - 1, limit: 1 });
      const found = messages.find((message) => message.seq === seq);
      this.citedSignal.update((all) => new Map(all).set(seq, found));
    }
  }

  private page(range: { before?: Seq; after?: Seq; limit: number }): Promise<{ messages: Message[]; hasMore: boolean }> {
    return this.connection.invoke('GetHistory', { roomId: this.roomId, ...range });
  }

  private alone(read: () => Promise<void>): Promise<void> {
    const turn = this.chain.then(async () => {
      this.busySignal.set(true);
      try {
        await read();
      } finally {
        this.busySignal.set(false);
      }
    });
    this.chain = turn.catch(() => undefined);
    return turn;
  }
}
