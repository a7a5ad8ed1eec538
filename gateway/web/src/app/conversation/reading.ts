import { Message, Seq } from '../rts';

/** What is drawn of a room, and what is known of its reading. */
export interface Reading {
  shown: readonly Message[];
  readSeq: Seq;
  unreadCount: number;
  /** Whether what is drawn begins with the room's first message. */
  atOldest: boolean;
  me: string;
}

/** Whether somebody may be looking: a hidden tab and a window behind another one have no reader. */
export const attentive = (): boolean => document.visibilityState === 'visible' && document.hasFocus();

/** The drawn messages of others that were not read. */
export function unreadOf({ shown, readSeq, me }: Reading): readonly Message[] {
  return shown.filter((message) => message.seq > readSeq && message.senderId !== me && !message.deleted);
}

/** Whether everything unread before the last drawn message is drawn too. */
export function isCovered(reading: Reading): boolean {
  const { shown, readSeq, unreadCount, atOldest } = reading;
  return atOldest || (shown[0]?.seq ?? Infinity) <= readSeq || unreadOf(reading).length >= unreadCount;
}

/** Whether something unread lies before `topSeq`, the first message in sight: a mark further on would claim it. */
export function isPassedOver(reading: Reading, topSeq: Seq): boolean {
  return !isCovered(reading) || unreadOf(reading).some((message) => message.seq < topSeq);
}
