import { Injectable, signal } from '@angular/core';

export interface Question {
  text: string;
  action: string;
  answer: (yes: boolean) => void;
}

/** Asks before an action that cannot be undone. */
@Injectable({ providedIn: 'root' })
export class Confirm {
  readonly question = signal<Question | undefined>(undefined);

  ask(text: string, action: string): Promise<boolean> {
    this.question()?.answer(false);
    return new Promise((resolve) => {
      this.question.set({
        text,
        action,
        answer: (yes) => {
          this.question.set(undefined);
          resolve(yes);
        },
      });
    });
  }
}
