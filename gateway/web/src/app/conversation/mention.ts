import { Member } from '../rts';

/** The beginning of a mention that the caret stands in. */
export interface MentionStart {
  from: number;
  query: string;
}

/** Finds `@query` that ends at the caret. */
export function mentionAt(text: string, caret: number): MentionStart | undefined {
  const match = /(?:^|[\s(])@([^\s@]*)$/.exec(text.slice(0, caret));
  const query = match?.[1];
  return query === undefined ? undefined : { from: caret - query.length - 1, query };
}

/** Members that a query may mean: by the beginning of the id or of a part of the name. An id with a blank cannot be mentioned. */
export function mentionable(members: readonly Member[], query: string, me: string): Member[] {
  const wanted = query.toLocaleLowerCase();
  const matches = ({ userId, displayName }: Member): boolean => {
    const name = displayName.toLocaleLowerCase();
    return userId.toLocaleLowerCase().startsWith(wanted) || name.startsWith(wanted) || name.includes(` ${wanted}`);
  };
  return members.filter((member) => member.userId !== me && !/\s/.test(member.userId) && matches(member)).slice(0, 8);
}

/** The text with the mention completed, and where the caret goes. */
export function complete(text: string, start: MentionStart, caret: number, userId: string): { text: string; caret: number } {
  const inserted = `@${userId} `;
  return { text: text.slice(0, start.from) + inserted + text.slice(caret), caret: start.from + inserted.length };
}
