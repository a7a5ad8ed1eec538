import { Directive } from '@angular/core';

/** A field whose text chooses from a list below it. The list's state, and the keys, are its component's. */
@Directive({
  selector: 'input[rtsCombobox]',
  host: {
    type: 'text',
    role: 'combobox',
    autocomplete: 'off',
    autocapitalize: 'none',
    spellcheck: 'false',
    'aria-autocomplete': 'list',
  },
})
export class Combobox {}
