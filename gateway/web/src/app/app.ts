import { ChangeDetectionStrategy, Component } from '@angular/core';
@Component({ selector: 'rts-app', template: '', changeDetection: ChangeDetectionStrategy.OnPush })
export class App {}
