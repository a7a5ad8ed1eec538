import { DestroyRef, Directive, inject, output } from '@angular/core';

const PRESS_MS = 500;
/** A finger is never quite still. */
const STILL_PX = 10;

/** Reports a long press with its target. Links keep the browser's own menu. */
@Directive({
  selector: '[rtsLongPress]',
  host: {
    '(pointerdown)': 'down($event)',
    '(pointermove)': 'move($event)',
    '(pointerup)': 'end()',
    '(pointercancel)': 'end()',
    '(contextmenu)': 'menu($event)',
  },
})
export class LongPress {
  readonly rtsLongPress = output<HTMLElement>();
  private timer: ReturnType<typeof setTimeout> | undefined;
  private from = { x: 0, y: 0 };
  private touched = false;
  private pressed = false;

  constructor() {
    // Releasing the finger after a long press must not click, neither here nor on what has opened under it.
    const click = (event: Event): void => {
      if (this.pressed) {
        this.pressed = false;
        event.preventDefault();
        event.stopPropagation();
      }
    };
    const touch = (): void => void (this.pressed = false);
    document.addEventListener('click', click, { capture: true });
    document.addEventListener('pointerdown', touch, { capture: true });
    inject(DestroyRef).onDestroy(() => {
      this.end();
      document.removeEventListener('click', click, { capture: true });
      document.removeEventListener('pointerdown', touch, { capture: true });
    });
  }

  protected down({ pointerType, isPrimary, target, clientX, clientY }: PointerEvent): void {
    this.end();
    this.touched = pointerType === 'touch';
    const element = target as HTMLElement;
    if (this.touched && isPrimary && element.closest('a') === null) {
      this.from = { x: clientX, y: clientY };
      this.timer = setTimeout(() => {
        this.pressed = true;
        this.rtsLongPress.emit(element);
      }, PRESS_MS);
    }
  }

  protected move({ clientX, clientY }: PointerEvent): void {
    if (Math.hypot(clientX - this.from.x, clientY - this.from.y) > STILL_PX) {
      this.end();
    }
  }

  protected end(): void {
    clearTimeout(this.timer);
  }

  protected menu(event: Event): void {
    if (this.touched && (event.target as HTMLElement).closest('a') === null) {
      event.preventDefault();
    }
  }
}
