import { Injectable, effect, signal } from '@angular/core';
import { remember, remembered } from './storage';

export type Theme = 'auto' | 'light' | 'dark';
export const THEMES: readonly Theme[] = ['auto', 'light', 'dark'];

/** Light, dark, or as the device prefers. */
@Injectable({ providedIn: 'root' })
export class ThemeChoice {
  readonly theme = signal<Theme>(THEMES.find((theme) => theme === remembered('theme')) ?? 'auto');

  constructor() {
    effect(() => {
      document.documentElement.dataset['theme'] = this.theme();
      remember('theme', this.theme());
    });
  }
}
