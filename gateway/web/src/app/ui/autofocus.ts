import { Directive, ElementRef, afterNextRender, inject } from '@angular/core';

/** Focuses a field as soon as it appears. */
@Directive({ selector: '[rtsAutofocus]' })
export class Autofocus {
  constructor() {
    const { nativeElement } = inject<ElementRef<HTMLElement>>(ElementRef);
    afterNextRender(() => nativeElement.focus());
  }
}
