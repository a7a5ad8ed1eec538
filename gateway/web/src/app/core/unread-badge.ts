import { Injectable, computed, effect, inject } from '@angular/core';
import { I18n } from '../i18n/i18n';
import { Chat } from './chat';
import { Mutes } from './mutes';

const SIZE_PX = 64;

/** Number of chats with unread messages, except muted ones, in the title of the page and on its icon. */
@Injectable({ providedIn: 'root' })
export class UnreadBadge {
  private readonly chat = inject(Chat);
  private readonly i18n = inject(I18n);
  private readonly mutes = inject(Mutes);
  private readonly link = document.querySelector<HTMLLinkElement>('link[rel=icon]');
  private readonly plain = { href: this.link?.href ?? '', type: this.link?.type ?? '' };
  private turn = 0;

  readonly count = computed(() => {
    const rooms = this.chat.signedIn() ? this.chat.client().roomList() : [];
    return rooms.filter((room) => room.unreadCount() > 0 && !this.mutes.has(room.roomId)).length;
  });

  constructor() {
    effect(() => {
      const name = this.i18n.t().appName;
      document.title = this.count() > 0 ? `(${this.count()}) ${name}` : name;
    });
    effect(() => void this.mark(this.count()));
  }

  private async mark(count: number): Promise<void> {
    const turn = ++this.turn;
    const href = count === 0 ? undefined : await this.draw(count).catch(() => undefined);
    if (this.link !== null && turn === this.turn) {
      this.link.type = href === undefined ? this.plain.type : 'image/png';
      this.link.href = href ?? this.plain.href;
    }
  }

  /** Returns the page's icon with the number in its corner. */
  private async draw(count: number): Promise<string | undefined> {
    const image = new Image();
    image.src = this.plain.href;
    await image.decode();
    const canvas = document.createElement('canvas');
    canvas.width = canvas.height = SIZE_PX;
    const pen = canvas.getContext('2d');
    if (pen === null) {
      return undefined;
    }
    pen.drawImage(image, 0, 0, SIZE_PX, SIZE_PX);
    pen.fillStyle = '#d92d20';
    pen.beginPath();
    pen.arc(43, 43, 21, 0, 2 * Math.PI);
    pen.fill();
    pen.fillStyle = '#ffffff';
    pen.font = '700 32px system-ui, sans-serif';
    pen.textAlign = 'center';
    pen.textBaseline = 'middle';
    pen.fillText(count > 9 ? '9+' : String(count), 43, 45);
    return canvas.toDataURL();
  }
}
