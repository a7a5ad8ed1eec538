import { Member, Receipt, Seq } from './contract';
import { Outgoing } from './outbox';

/** How far a message of this user has come; each includes those before. */
export type SendState = 'sending' | 'failed' | 'sent' | 'stored' | 'delivered' | 'read';

/**
 * The state of a sent message. In a group, `delivered` and `read` mean by all the others.
 */
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
  // Who has read it has received it, whether or not their client said so.
  const received = others.length > 0 && others.every(({ userId }) => {
    const known = receipts.get(userId);
    return Math.max(known?.readSeq ?? 0, known?.deliveredSeq ?? 0) >= seq;
  });
  return received ? 'delivered' : stored.has(seq) ? 'stored' : 'sent';
}

/** Who of the others has read up to `seq`. */
export function readers(seq: Seq, others: readonly Member[], receipts: ReadonlyMap<string, Required<Receipt>>): Member[] {
  return others.filter(({ userId }) => (receipts.get(userId)?.readSeq ?? 0) >= seq);
}
