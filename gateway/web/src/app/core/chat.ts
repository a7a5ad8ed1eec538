import { Injectable, computed, effect, inject, signal, untracked } from '@angular/core';
import { unmarked } from '../conversation/text-marks';
import { I18n } from '../i18n/i18n';
import { listOf } from '../i18n/isolate';
import { HubLink, Member, Message, RtsClient, RtsError, RtsRoom, sessionOutbox, signalrLink, toRtsError, withNames } from '../rts';
import { AppConfig } from './config';
import { Identity } from './identity';
import { Route } from './route';

/** A user without a key press or a click for this long is away. */
const AWAY_MS = 5 * 60_000;

/** The signed-in user's client, and the state of the app around it. */
@Injectable({ providedIn: 'root' })
export class Chat {
  private readonly i18n = inject(I18n);
  private readonly route = inject(Route);
  private readonly current = signal<{ client: RtsClient; identity: Identity } | undefined>(undefined);
  private away = false;
  private activeAt = Date.now();

  private readonly asking = signal(false);
  private readonly missingRoom = signal<{ roomId: string; error: RtsError; removed: boolean } | undefined>(undefined);
  private shown: string | undefined;

  readonly signedIn = computed(() => this.current() !== undefined && !this.asking());
  /** The user whose chats are loaded, also while they sign in again. */
  readonly who = computed(() => this.current()?.identity);
  readonly client = computed(() => this.use().client);
  readonly identity = computed(() => this.use().identity);
  readonly people = computed(() => this.use().client.people);
  readonly openRoom = computed(() => {
    const roomId = this.route.roomId();
    return roomId === undefined ? undefined : this.current()?.client.rooms().get(roomId);
  });

  /** The reason why the address's room cannot be shown. */
  readonly missing = computed(() => {
    const missing = this.missingRoom();
    return missing?.roomId === this.route.roomId() && this.openRoom() === undefined ? missing : undefined;
  });

  constructor() {
    effect(() => this.fetchRouted());
    effect(() => {
      // The next connection may give another answer.
      if (this.current()?.client.connection.state() !== 'online' && untracked(this.missingRoom)?.error.retryable) {
        this.missingRoom.set(undefined);
      }
    });
    effect(() => {
      this.shown = this.openRoom()?.roomId ?? this.shown;
    });
    effect(() => this.watch());
    effect(() => {
      // On a new connection the user counts as online until reported otherwise.
      if (this.current()?.client.connection.state() !== 'online') {
        this.away = false;
      }
    });
    for (const event of ['pointerdown', 'keydown', 'visibilitychange']) {
      document.addEventListener(event, () => this.active(), { passive: true });
    }
    setInterval(() => this.tellPresence(), 30_000);
  }

  signIn(config: AppConfig, identity: Identity, link?: HubLink): void {
    const { userId, orgId } = identity;
    const before = this.current();
    this.asking.set(false);
    if (before !== undefined && before.identity.userId === userId && before.identity.orgId === orgId) {
      this.current.set({ client: before.client, identity });
      before.client.connection.restart();
      return;
    }
    void before?.client.stop();
    const url = new URL(config.hubUrl, document.baseURI).href;
    const client = new RtsClient(link ?? signalrLink({ url, token: (fresh) => (this.who() ?? identity).token(fresh) }), {
      userId,
      outboxStorage: sessionOutbox(`rts.outbox.${orgId}.${userId}`),
    });
    client.people.learn([{ userId, displayName: identity.name }]);
    this.current.set({ client, identity });
    client.start();
  }

  /** Shows the sign-in again after it has ended; the same user continues where they were. */
  signInAgain(): void {
    this.asking.set(true);
  }

  /** Looks for the address's room again. */
  lookAgain(): void {
    this.missingRoom.set(undefined);
  }

  async signOut(): Promise<void> {
    const client = this.current()?.client;
    this.asking.set(false);
    this.current.set(undefined);
    this.route.setArchive(false);
    await client?.stop();
  }

  isMe(userId: string): boolean {
    return userId === this.client().userId;
  }

  name(userId: string): string {
    return this.people().name(userId);
  }

  /** Returns a message's text with the names of the mentioned users. */
  text({ body, mentions = [] }: { body: string; mentions?: readonly string[] }): string {
    return withNames(body, (userId) => mentions.includes(userId), (userId) => this.name(userId));
  }

  /** Returns a message's text with names and without marks, on one line. */
  line({ body, mentions = [] }: { body: string; mentions?: readonly string[] }): string {
    return unmarked(body, (userId) => mentions.includes(userId), (userId) => this.name(userId));
  }

  /** Returns a message on one line: its text, else its file name, or that it was deleted. */
  summary(message: Message): string {
    const { rooms } = this.i18n.t();
    return message.deleted ? rooms.deleted : this.line(message) || (message.attachments[0]?.fileName ?? rooms.file);
  }

  /** Returns the members of a room, with the best known names. */
  members(room: RtsRoom): Member[] {
    return room.members().map((member) => ({ ...member, displayName: this.name(member.userId) }));
  }

  /** Returns the title of a room: its name, or the names of its other members. */
  title(room: RtsRoom): string {
    const { name, kind } = room.info();
    if (name !== undefined) {
      return name;
    }
    const others = room.members().filter((member) => !this.isMe(member.userId)).map((member) => this.name(member.userId));
    if (others.length === 0) {
      return this.i18n.t().rooms.unnamed;
    }
    return kind === 'direct' || others.length <= 3 ? listOf(others) : `${listOf(others.slice(0, 3))} +${others.length - 3}`;
  }

  /** Returns the other member of a direct room. */
  partner(room: RtsRoom): string | undefined {
    return room.info().kind === 'direct' ? room.members().find((member) => !this.isMe(member.userId))?.userId : undefined;
  }

  private use(): { client: RtsClient; identity: Identity } {
    const current = this.current();
    if (current === undefined) {
      throw new Error('Nobody is signed in.');
    }
    return current;
  }

  /** Reads the address's room if it is not in the list: it may be archived, or new. */
  private fetchRouted(): void {
    const roomId = this.route.roomId();
    const client = this.current()?.client;
    const isMissing = this.missingRoom()?.roomId === roomId;
    if (roomId !== undefined && !isMissing && client?.ready() && client.connection.state() === 'online' && !client.rooms().has(roomId)) {
      const removed = this.shown === roomId;
      const failed = (failure: unknown): void => this.missingRoom.set({ roomId, error: toRtsError(failure), removed });
      untracked(() => void client.openRoom(roomId).then(() => this.missingRoom.set(undefined), failed));
    }
  }

  /** Watches the presence of the users whose dots are on the screen: direct partners, and members of the open room. */
  private watch(): void {
    const client = this.current()?.client;
    if (client !== undefined) {
      const open = this.openRoom()?.members().map((member) => member.userId) ?? [];
      const partners = client.roomList().flatMap((room) => this.partner(room) ?? []);
      const wanted = [...open, ...partners].filter((userId) => userId !== client.userId);
      untracked(() => client.people.watch(wanted));
    }
  }

  private active(): void {
    if (document.visibilityState === 'visible') {
      this.activeAt = Date.now();
      this.tellPresence();
    }
  }

  private tellPresence(): void {
    const away = Date.now() - this.activeAt > AWAY_MS;
    const client = this.current()?.client;
    if (client !== undefined && away !== this.away && client.connection.state() === 'online' && client.supports('SetPresence')) {
      this.away = away;
      client.invoke('SetPresence', { status: away ? 'away' : 'online' }).catch(() => undefined);
    }
  }
}
