import { Injectable, inject, signal } from '@angular/core';
import { I18n } from '../i18n/i18n';
import { toRtsError } from '../rts';

export interface Notice {
  id: number;
  text: string;
  bad: boolean;
}

const SHOWN_MS = 6_000;

/** Short texts to the user: shown for a while, and announced by screen readers. */
@Injectable({ providedIn: 'root' })
export class Notices {
  private readonly i18n = inject(I18n);
  private next = 1;
  readonly all = signal<readonly Notice[]>([]);
  /** Announced, not shown. */
  readonly announced = signal('');

  show(text: string, bad = false): void {
    const notice = { id: this.next++, text, bad };
    this.all.update((all) => [...all.slice(-2), notice]);
    setTimeout(() => this.dismiss(notice.id), SHOWN_MS);
  }

  dismiss(id: number): void {
    this.all.update((all) => all.filter((notice) => notice.id !== id));
  }

  error(failure: unknown): void {
    this.show(this.reason(failure), true);
  }

  /** Returns the reason of a failure in the user's language. */
  reason(failure: unknown): string {
    return this.i18n.t().errors[toRtsError(failure).code];
  }

  announce(text: string): void {
    this.announced.set(text);
  }

  /** Runs an action and shows its error. Returns true if it succeeded. */
  async attempt(action: () => Promise<unknown>): Promise<boolean> {
    try {
      await action();
      return true;
    } catch (failure) {
      this.error(failure);
      return false;
    }
  }
}
