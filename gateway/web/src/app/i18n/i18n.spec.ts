import { TestBed } from '@angular/core/testing';
import { en } from './en';
import { I18n } from './i18n';
import { isolate, listOf } from './isolate';
import { ko } from './ko';

/** Returns every path to a text, with the type of the text. */
function keys(texts: object, path = ''): string[] {
  return Object.entries(texts).flatMap(([key, value]: [string, unknown]) =>
    typeof value === 'object' && value !== null ? keys(value, `${path}${key}.`) : [`${path}${key}: ${typeof value}`],
  );
}

describe('languages', () => {
  it('have the same keys', () => {
    expect(keys(ko)).toEqual(keys(en));
  });

  it('leave nothing empty, and Korean is Korean', () => {
    const korean = JSON.stringify(ko);
    expect(korean).not.toContain('""');
    expect(korean.match(/[가-힣]/g)?.length).toBeGreaterThan(500);
  });

  it('format counts', () => {
    expect(en.rooms.unread(1)).toBe('1 unread message');
    expect(en.rooms.unread(1_000)).toBe('999+ unread messages');
    expect(ko.conversation.members(5)).toBe('멤버 5명');
  });
});

describe('dates', () => {
  beforeEach(() => {
    vi.useFakeTimers();
    localStorage.clear();
  });
  afterEach(() => void vi.useRealTimers());

  it('change at midnight, and again at the next', () => {
    vi.setSystemTime(new Date(2026, 5, 1, 23, 59, 30));
    const i18n = TestBed.inject(I18n);
    const said = Date.now();
    expect([i18n.day(said), i18n.moment(said)]).toEqual(['Today', i18n.time(said)]);
    vi.advanceTimersByTime(60_000);
    expect([i18n.day(said), i18n.moment(said)]).toEqual(['Yesterday', 'Yesterday']);
    vi.advanceTimersByTime(24 * 60 * 60_000);
    expect([i18n.day(said), i18n.moment(said)]).toEqual(['Monday, June 1', '6/1']);
  });

  it('change when a device wakes up on another day', () => {
    vi.setSystemTime(new Date(2026, 5, 1, 12));
    const i18n = TestBed.inject(I18n);
    const said = Date.now();
    vi.setSystemTime(new Date(2026, 5, 2, 8));
    document.dispatchEvent(new Event('visibilitychange'));
    expect(i18n.day(said)).toBe('Yesterday');
  });

  it('show the year if it is not the present one', () => {
    vi.setSystemTime(new Date(2026, 0, 10, 12));
    const i18n = TestBed.inject(I18n);
    const [before, now] = [new Date(2025, 11, 30).getTime(), new Date(2026, 0, 5).getTime()];
    expect([i18n.moment(before), i18n.moment(now)]).toEqual(['12/30/2025', '1/5']);
    i18n.language.set('ko');
    expect([i18n.moment(before), i18n.day(before), i18n.moment(now)]).toEqual(['2025. 12. 30.', '2025년 12월 30일', '1. 5.']);
  });
});

describe('names in sentences', () => {
  it('are isolated if they could change the direction of the text around them', () => {
    const { t } = TestBed.inject(I18n);
    TestBed.inject(I18n).language.set('en');
    expect(t().conversation.typing(['דנה', 'Ann'])).toBe('\u2068דנה\u2069 and Ann are typing…');
    expect(t().conversation.replyTo('김민수')).toBe('Reply to 김민수');
    expect(isolate('Ann\u202e\u2069')).toBe('\u2068Ann\u2069');
    expect(t().conversation.readBy(listOf(['דנה', 'Ann']))).toBe('Read by \u2068\u2068דנה\u2069, Ann\u2069');
    expect(listOf(['דנה'])).toBe('דנה');
  });
});
