import { Directive, ElementRef, afterNextRender, inject } from '@angular/core';

/** A field that was asked for, and is written in at once. */
@Directive({ selector: '[rtsAutofocus]' })
export class Autofocus {
  constructor() {
    const { nativeElement } = inject<ElementRef<HTMLElement>>(ElementRef);
    afterNextRender(() => nativeElement.focus());
  }
}
