import { NgTemplateOutlet } from '@angular/common';
import { ChangeDetectionStrategy, Component, inject, input } from '@angular/core';
import { Chat } from '../core/chat';
import { CodeBlock } from './code-block';
import { Block } from './text-marks';

/** The blocks of a text; everything a user wrote becomes text nodes. */
@Component({
  selector: 'rts-marked-text',
  imports: [CodeBlock, NgTemplateOutlet],
  template: `
    <ng-container [ngTemplateOutlet]="parts" [ngTemplateOutletContext]="{ $implicit: blocks() }" />
    <ng-template #parts let-blocks>
      @for (block of blocks; track $index) {
        @switch (block.kind) {
          @case ('code') {<rts-code-block [text]="block.text" [language]="block.language" />}
          @case ('quote') {<blockquote><ng-container [ngTemplateOutlet]="parts" [ngTemplateOutletContext]="{ $implicit: block.blocks }" /></blockquote>}
          @case ('list') {
            @if (block.ordered) {
              <ol>@for (item of block.items; track $index) {<li [value]="item.number" [class]="'level-' + item.level"><ng-container [ngTemplateOutlet]="line" [ngTemplateOutletContext]="{ $implicit: item.spans }" /></li>}</ol>
            } @else {
              <ul>@for (item of block.items; track $index) {<li [class]="'level-' + item.level"><ng-container [ngTemplateOutlet]="line" [ngTemplateOutletContext]="{ $implicit: item.spans }" /></li>}</ul>
            }
          }
          @default {<ng-container [ngTemplateOutlet]="line" [ngTemplateOutletContext]="{ $implicit: block.spans }" />}
        }
      }
    </ng-template>
    <ng-template #line let-spans>
      @for (span of spans; track $index) {
        @switch (span.kind) {
          @case ('link') {<a [href]="span.href" target="_blank" rel="noopener noreferrer">{{ span.text }}</a>}
          @case ('mention') {<bdi class="mention" [class.me]="chat.isMe(span.userId)">&#64;{{ chat.name(span.userId) }}</bdi>}
          @case ('code') {<code>{{ span.text }}</code>}
          @case ('strong') {<strong><ng-container [ngTemplateOutlet]="line" [ngTemplateOutletContext]="{ $implicit: span.spans }" /></strong>}
          @case ('emphasis') {<em><ng-container [ngTemplateOutlet]="line" [ngTemplateOutletContext]="{ $implicit: span.spans }" /></em>}
          @case ('strike') {<s><ng-container [ngTemplateOutlet]="line" [ngTemplateOutletContext]="{ $implicit: span.spans }" /></s>}
          @default {{{ span.text }}}
        }
      }
    </ng-template>
  `,
  changeDetection: ChangeDetectionStrategy.OnPush,
})
export class MarkedText {
  protected readonly chat = inject(Chat);
  readonly blocks = input.required<readonly Block[]>();
}
