import { Message, Outgoing, Seq } from '../rts';

/** A row of the timeline. */
export type Row = DayRow | UnreadRow | BubbleRow;

interface DayRow {
  kind: 'day';
  key: string;
  atMs: number;
}
interface UnreadRow {
  kind: 'unread';
  key: string;
}
/** A message; `outgoing` is one being sent, which has no seq yet. */
export interface BubbleRow {
  kind: 'message';
  /** Does not change when a message being sent gets its seq. */
  key: string;
  senderId: string;
  atMs: number;
  message?: Message;
  outgoing?: Outgoing;
  mine: boolean;
  /** True for the first of a group by one sender; `last` likewise. */
  first: boolean;
  last: boolean;
}

/** Messages of one sender within this time form a group. */
const GROUP_MS = 5 * 60_000;

/** Returns rows for stored and outgoing messages, with days and the unread mark between them. */
export function rowsOf(messages: readonly Message[], outgoing: readonly Outgoing[], me: string, dividerSeq: Seq | undefined): Row[] {
  const bubbles = [...messages.map((message) => ofMessage(message, me)), ...outgoing.map((entry) => ofOutgoing(entry, me))];
  const rows: Row[] = [];
  let before: BubbleRow | undefined;
  let divided = dividerSeq === undefined;
  for (const bubble of bubbles) {
    let cut = false;
    if (before === undefined || dayOf(before.atMs) !== dayOf(bubble.atMs)) {
      rows.push({ kind: 'day', key: `day-${dayOf(bubble.atMs)}`, atMs: bubble.atMs });
      cut = true;
    }
    if (!divided && !bubble.mine && (bubble.message?.seq ?? 0) > (dividerSeq ?? 0)) {
      rows.push({ kind: 'unread', key: 'unread' });
      divided = true;
      cut = true;
    }
    const joined = before !== undefined && !cut && before.senderId === bubble.senderId && bubble.atMs - before.atMs < GROUP_MS;
    if (before !== undefined) {
      before.last = !joined;
    }
    bubble.first = !joined;
    rows.push(bubble);
    before = bubble;
  }
  return rows;
}

function ofMessage(message: Message, me: string): BubbleRow {
  const mine = message.senderId === me;
  const key = mine ? `c-${message.clientId}` : `s-${message.seq}`;
  return { kind: 'message', key, senderId: message.senderId, atMs: message.seq / 1_000, message, mine, first: true, last: true };
}

function ofOutgoing(outgoing: Outgoing, me: string): BubbleRow {
  const key = `c-${outgoing.clientId}`;
  return { kind: 'message', key, senderId: me, atMs: outgoing.createdAt, outgoing, mine: true, first: true, last: true };
}

function dayOf(ms: number): number {
  const at = new Date(ms);
  return at.getFullYear() * 10_000 + at.getMonth() * 100 + at.getDate();
}
