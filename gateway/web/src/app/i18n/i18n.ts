import { Injectable, computed, effect, signal } from '@angular/core';
import { remembered, remember } from '../core/storage';
import { Texts, en } from './en';
import { isolating } from './isolate';
import { ko } from './ko';

export type Language = 'en' | 'ko';

const TEXTS: Record<Language, Texts> = { en: isolating(en), ko: isolating(ko) };
export const LANGUAGES: readonly { code: Language; name: string }[] = [
  { code: 'en', name: 'English' },
  { code: 'ko', name: '한국어' },
];

/** The texts, dates and sizes in the chosen language, which can change at run time. */
@Injectable({ providedIn: 'root' })
export class I18n {
  readonly language = signal<Language>(initial());
  readonly t = computed(() => TEXTS[this.language()]);

  private readonly timeFormat = computed(() => new Intl.DateTimeFormat(this.language(), { hour: 'numeric', minute: '2-digit' }));
  private readonly dayFormat = computed(() => new Intl.DateTimeFormat(this.language(), { weekday: 'long', month: 'long', day: 'numeric' }));
  private readonly yearFormat = computed(() => new Intl.DateTimeFormat(this.language(), { year: 'numeric', month: 'long', day: 'numeric' }));
  private readonly shortFormat = computed(() => new Intl.DateTimeFormat(this.language(), { month: 'numeric', day: 'numeric' }));
  private readonly shortYearFormat = computed(() => new Intl.DateTimeFormat(this.language(), { year: 'numeric', month: 'numeric', day: 'numeric' }));
  private readonly fullFormat = computed(() => new Intl.DateTimeFormat(this.language(), { dateStyle: 'long', timeStyle: 'short' }));

  /** The start of this day; changes at midnight. */
  private readonly today = signal(midnight(new Date()));
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor() {
    this.turn();
    // Timers stop while a device sleeps.
    document.addEventListener('visibilitychange', () => this.turn());
    effect(() => {
      document.documentElement.lang = this.language();
      remember('language', this.language());
    });
  }

  time(ms: number): string {
    return this.timeFormat().format(ms);
  }

  full(ms: number): string {
    return this.fullFormat().format(ms);
  }

  date(ms: number): string {
    return this.yearFormat().format(ms);
  }

  /** Returns the label of a day, for a separator. */
  day(ms: number): string {
    const days = this.daysAgo(ms);
    if (days === 0) {
      return this.t().conversation.today;
    }
    if (days === 1) {
      return this.t().conversation.yesterday;
    }
    return (this.isThisYear(ms) ? this.dayFormat() : this.yearFormat()).format(ms);
  }

  /** Returns the label of a time, for a list: the time if today, else the date. */
  moment(ms: number): string {
    const days = this.daysAgo(ms);
    const date = this.isThisYear(ms) ? this.shortFormat() : this.shortYearFormat();
    return days === 0 ? this.time(ms) : days === 1 ? this.t().conversation.yesterday : date.format(ms);
  }

  size(bytes: number): string {
    const units = ['byte', 'kilobyte', 'megabyte', 'gigabyte'];
    const step = bytes < 1 ? 0 : Math.min(units.length - 1, Math.floor(Math.log10(bytes) / 3));
    const value = bytes / 1_000 ** step;
    return new Intl.NumberFormat(this.language(), { style: 'unit', unit: units[step] ?? 'byte', unitDisplay: 'short', maximumFractionDigits: value < 10 ? 1 : 0 }).format(value);
  }

  private isThisYear(ms: number): boolean {
    return new Date(ms).getFullYear() === new Date(this.today()).getFullYear();
  }

  private daysAgo(ms: number): number {
    return Math.round((this.today() - midnight(new Date(ms))) / 86_400_000);
  }

  private turn(): void {
    const now = new Date();
    this.today.set(midnight(now));
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.turn(), new Date(now.getFullYear(), now.getMonth(), now.getDate() + 1).getTime() - now.getTime());
  }
}

function initial(): Language {
  const kept = remembered('language');
  return kept === 'en' || kept === 'ko' ? kept : navigator.language.toLowerCase().startsWith('ko') ? 'ko' : 'en';
}

function midnight(at: Date): number {
  return new Date(at.getFullYear(), at.getMonth(), at.getDate()).getTime();
}
