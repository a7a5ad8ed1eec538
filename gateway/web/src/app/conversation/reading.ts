import { Message, Seq } from '../rts';

/** The drawn messages of a room, and its unread state. */
export interface Reading {
  shown: readonly Message[];
  readSeq: Seq;
  unreadCount: number;
  /** True if the drawn messages begin with the room's first one. */
  atOldest: boolean;
  me: string;
}

/** Returns true if a user may be looking: neither a hidden tab nor a window without the focus has a reader. */
export const attentive = (): boolean => document.visibilityState === 'visible' && document.hasFocus();

/** Returns the drawn messages of others that are unread. */
export function unreadOf({ shown, readSeq, me }: Reading): readonly Message[] {
  return shown.filter((message) => message.seq > readSeq && message.senderId !== me && !message.deleted);
}

/** True if everything unread before the last drawn message is drawn too. */
export function isCovered(reading: Reading): boolean {
  const { shown, readSeq, unreadCount, atOldest } = reading;
  return atOldest || (shown[0]?.seq ?? Infinity) <= readSeq || unreadOf(reading).length >= unreadCount;
}

/** True if something unread lies before `topSeq`, the first visible message: a later mark would claim it as read. */
export function isPassedOver(reading: Reading, topSeq: Seq): boolean {
  return !isCovered(reading) || unreadOf(reading).some((message) => message.seq < topSeq);
}
