import { Member, mayEnd, withNames } from '../rts';

/** The start of a mention, with the caret inside. */
export interface MentionStart {
  from: number;
  query: string;
}

/** Finds an `@query` that ends at the caret. */
export function mentionAt(text: string, caret: number): MentionStart | undefined {
  const match = /(?:^|[\s(])@([^\s@]*)$/.exec(text.slice(0, caret));
  const query = match?.[1];
  return query === undefined ? undefined : { from: caret - query.length - 1, query };
}

/**
 * Returns the members whose id, or a part of whose name, begins with the query. Ids with spaces cannot be mentioned.
 */
export function mentionable(members: readonly Member[], query: string, me: string): Member[] {
  const wanted = query.toLocaleLowerCase();
  const matches = ({ userId, displayName }: Member): boolean => {
    const name = displayName.toLocaleLowerCase();
    return userId.toLocaleLowerCase().startsWith(wanted) || name.startsWith(wanted) || name.includes(` ${wanted}`);
  };
  return members.filter((member) => member.userId !== me && !/\s/.test(member.userId) && matches(member)).slice(0, 8);
}

/** Returns the text with the mention completed, and the new position of the caret. */
export function complete(text: string, start: MentionStart, caret: number, name: string): { text: string; caret: number } {
  const inserted = `@${name} `;
  return { text: text.slice(0, start.from) + inserted + text.slice(caret), caret: start.from + inserted.length };
}

/** Ids by the names that stand for them in a text. */
export type Picked = ReadonlyMap<string, string>;

/** Returns the text as it is sent, with ids for the picked names. */
export function toIds(text: string, picked: Picked): string {
  if (picked.size === 0) {
    return text;
  }
  const longestFirst = [...picked.keys()].sort((a, b) => b.length - a.length);
  const names = longestFirst.map((name) => name.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&')).join('|');
  return text.replace(new RegExp(`(?<![\\p{Alphabetic}\\p{N}])@(${names})`, 'gu'), (found: string, name: string, at: number) => {
    const userId = picked.get(name) ?? '';
    const next = text.codePointAt(at + found.length);
    const ends = [name, userId].every((word) => mayEnd([...word].at(-1) ?? '', next === undefined ? undefined : String.fromCodePoint(next)));
    return ends ? `@${userId}` : found;
  });
}

/** Returns the text as it is edited, with names for the ids of members, wherever `toIds` can reverse that. */
export function toNames(body: string, isMember: (userId: string) => boolean, name: (userId: string) => string): { text: string; picked: Picked } {
  const picked = new Map<string, string>();
  const text = withNames(body, isMember, (userId) => labelOf(userId, name(userId), picked));
  return toIds(text, picked) === body ? { text, picked } : { text: body, picked: new Map() };
}

/**
 * Returns the label for a user in a text, and adds it to `picked`: the name, or the id if another user has that name.
 */
export function labelOf(userId: string, name: string, picked: Map<string, string>): string {
  if (name.trim() === '' || (picked.get(name) ?? userId) !== userId) {
    return userId;
  }
  picked.set(name, userId);
  return name;
}
