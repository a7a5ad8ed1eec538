import { Member, Receipt, Seq } from './contract';
import { Outgoing } from './outbox';

/** State of this user's message; each includes those before it. */
export type SendState = 'sending' | 'failed' | 'sent' | 'stored' | 'delivered' | 'read';

/** Returns the state of a sent message. In a group, `delivered` and `read` mean all other members. */
export function stateOf(
  seq: Seq,
  pending: Outgoing | undefined,
  others: readonly Member[],
  receipts: ReadonlyMap<string, Required<Receipt>>,
  stored: ReadonlySet<Seq>,
): SendState {
  if (pending?.state === 'failed') {
    return 'failed';
  }
  if (pending !== undefined && pending.state !== 'sent') {
    return 'sending';
  }
  const all = (mark: 'readSeq' | 'deliveredSeq'): boolean =>
    others.length > 0 && others.every(({ userId }) => (receipts.get(userId)?.[mark] ?? 0) >= seq);
  if (all('readSeq')) {
    return 'read';
  }
  // A user who has read it has received it, even if their client did not report that.
  const received = others.length > 0 && others.every(({ userId }) => {
    const known = receipts.get(userId);
    return Math.max(known?.readSeq ?? 0, known?.deliveredSeq ?? 0) >= seq;
  });
  return received ? 'delivered' : stored.has(seq) ? 'stored' : 'sent';
}

/** Returns the other members who have read up to `seq`. */
export function readers(seq: Seq, others: readonly Member[], receipts: ReadonlyMap<string, Required<Receipt>>): Member[] {
  return others.filter(({ userId }) => (receipts.get(userId)?.readSeq ?? 0) >= seq);
}
