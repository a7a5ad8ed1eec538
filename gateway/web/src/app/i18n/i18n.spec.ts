import { en } from './en';
import { ko } from './ko';

/** Every path to a text, and what kind it is. */
function keys(texts: object, path = ''): string[] {
  return Object.entries(texts).flatMap(([key, value]: [string, unknown]) =>
    typeof value === 'object' && value !== null ? keys(value, `${path}${key}.`) : [`${path}${key}: ${typeof value}`],
  );
}

describe('languages', () => {
  it('say the same things', () => {
    expect(keys(ko)).toEqual(keys(en));
  });

  it('leave nothing empty, and Korean is Korean', () => {
    const korean = JSON.stringify(ko);
    expect(korean).not.toContain('""');
    expect(korean.match(/[가-힣]/g)?.length).toBeGreaterThan(500);
  });

  it('count', () => {
    expect(en.rooms.unread(1)).toBe('1 unread message');
    expect(en.rooms.unread(1_000)).toBe('999+ unread messages');
    expect(ko.conversation.members(5)).toBe('멤버 5명');
  });
});
