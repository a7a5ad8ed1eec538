import { Injectable, effect, inject, signal, untracked } from '@angular/core';
import { I18n } from '../i18n/i18n';
import { Message, RtsClient, RtsRoom, Seq } from '../rts';
import { Chat } from './chat';
import { Chime } from './chime';
import { Mutes } from './mutes';
import { Notices } from './notices';
import { Route } from './route';
import { remember, remembered } from './storage';

/** A message that is read within this time, here or on another device, is not announced. */
const PAUSE_MS = 500;
const TEXT_MAX = 200;

/** Announces new messages that are not on the screen, by system notification and by sound, as set on this device. */
@Injectable({ providedIn: 'root' })
export class Notifier {
  private readonly chat = inject(Chat);
  private readonly chime = inject(Chime);
  private readonly i18n = inject(I18n);
  private readonly mutes = inject(Mutes);
  private readonly notices = inject(Notices);
  private readonly route = inject(Route);
  private readonly shown = signal<ReadonlyMap<string, Notification>>(new Map());
  private readonly heard = new Map<string, Seq>();
  /** The room whose newest message is visible. */
  private followed: string | undefined;
  private client: RtsClient | undefined;
  /** The newest message of all rooms when the list was first read. */
  private since: Seq = 0;

  readonly offered = 'Notification' in globalThis;
  readonly wanted = signal(remembered('notify') === 'on' && this.offered && Notification.permission === 'granted');
  readonly sound = signal(remembered('sound') !== 'off');

  constructor() {
    effect(() => this.listen());
    effect(() => this.tidy());
  }

  /** Turns notifications on or off. Asks for the browser's permission if needed; returns true if it is granted. */
  async want(on: boolean): Promise<boolean> {
    const granted = on && this.offered && (await Notification.requestPermission()) === 'granted';
    if (on && !granted) {
      this.notices.show(this.i18n.t().notify.blocked, true);
    }
    this.wanted.set(granted);
    remember('notify', granted ? 'on' : 'off');
    return granted;
  }

  /** Reports whether a room's newest message is visible. */
  inSight(roomId: string, on: boolean): void {
    this.followed = on ? roomId : this.followed === roomId ? undefined : this.followed;
  }

  setSound(on: boolean): void {
    this.sound.set(on);
    remember('sound', on ? 'on' : 'off');
    if (on) {
      this.chime.ring();
    }
  }

  /** Finds new messages: not those in the first list, but those that arrived while offline. */
  private listen(): void {
    const client = this.chat.signedIn() ? this.chat.client() : undefined;
    if (client?.ready() !== true) {
      this.client = undefined;
      return;
    }
    const rooms = client.roomList().map((room) => ({ room, last: room.lastMessage() }));
    const fresh = client !== this.client;
    if (fresh) {
      this.client = client;
      this.heard.clear();
      this.since = Math.max(0, ...rooms.map(({ last }) => last?.seq ?? 0));
    }
    for (const { room, last } of rooms) {
      const before = this.heard.get(room.roomId) ?? this.since;
      this.heard.set(room.roomId, Math.max(before, last?.seq ?? 0));
      if (last !== undefined && last.seq > before && last.senderId !== client.userId) {
        setTimeout(() => untracked(() => this.tell(room, last)), PAUSE_MS);
      }
    }
  }

  private tell(room: RtsRoom, message: Message): void {
    const now = room.lastMessage();
    const gone = now?.seq !== message.seq || now.deleted;
    if (gone || room.readSeq() >= message.seq || this.onScreen(room.roomId) || this.mutes.has(room.roomId) || !this.chat.signedIn()) {
      return;
    }
    if (this.sound()) {
      this.chime.ring();
    }
    if (this.wanted()) {
      this.show(room, now);
    }
  }

  private onScreen(roomId: string): boolean {
    return document.visibilityState === 'visible' && this.route.roomId() === roomId && this.followed === roomId;
  }

  private show(room: RtsRoom, message: Message): void {
    const text = this.chat.summary(message);
    const body = room.info().kind === 'group' ? this.i18n.t().announce(this.chat.name(message.senderId), text) : text;
    try {
      const notification = new Notification(this.chat.title(room), {
        body: body.slice(0, TEXT_MAX),
        icon: new URL('icon.svg', document.baseURI).href,
        lang: this.i18n.language(),
        silent: true,
        tag: room.roomId,
      });
      notification.onclick = () => {
        globalThis.focus();
        this.route.room(room.roomId);
        notification.close();
      };
      this.shown.update((all) => new Map(all).set(room.roomId, notification));
    } catch {
      // Some phones allow notifications from a service worker only; the sound and the badges remain.
    }
  }

  /** Closes notifications of messages that are read by now, or belong to another user. */
  private tidy(): void {
    const rooms = this.chat.signedIn() ? this.chat.client().rooms() : undefined;
    const unread = (roomId: string): boolean => (rooms?.get(roomId)?.unreadCount() ?? 0) > 0;
    const done = [...this.shown()].filter(([roomId]) => !unread(roomId));
    if (done.length > 0) {
      done.forEach(([, notification]) => notification.close());
      this.shown.update((all) => new Map([...all].filter(([roomId]) => unread(roomId))));
    }
  }
}
