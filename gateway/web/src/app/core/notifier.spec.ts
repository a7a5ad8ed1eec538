import { provideZonelessChangeDetection } from '@angular/core';
import { TestBed } from '@angular/core/testing';
import { Room } from '../rts';
import { FakeHub } from '../rts/testing/fake-hub';
import { FakeServer } from '../rts/testing/fake-server';
import { Chat } from './chat';
import { Chime } from './chime';
import { AppConfig } from './config';
import { Mutes } from './mutes';
import { Notifier } from './notifier';
import { Route } from './route';
import { UnreadBadge } from './unread-badge';

const CONFIG: AppConfig = { hubUrl: 'hub', devTokenUrl: '', auth: { kind: 'dev' }, claims: { user: 'sub', org: 'org', name: 'name' } };

class Told {
  static permission = 'granted';
  static requestPermission = vi.fn(() => Promise.resolve(Told.permission));
  static all: Told[] = [];
  onclick: (() => void) | undefined;
  readonly close = vi.fn();

  constructor(
    readonly title: string,
    readonly options: NotificationOptions,
  ) {
    Told.all.push(this);
  }
}

describe('notifications', () => {
  let server: FakeServer;
  let hub: FakeHub;
  let group: Room;
  let direct: Room;
  let ring: ReturnType<typeof vi.spyOn>;
  const texts = (): string[] => Told.all.map(({ title, options }) => `${title}: ${options.body}`);
  const settle = async (ms = 700): Promise<void> => {
    for (let step = 0; step < 4; step += 1) {
      TestBed.tick();
      await vi.advanceTimersByTimeAsync(ms / 4);
    }
    TestBed.tick();
  };

  beforeEach(async () => {
    vi.useFakeTimers();
    vi.stubGlobal('Notification', Told);
    localStorage.clear();
    localStorage.setItem('rts.notify', 'on');
    localStorage.setItem('rts.language', 'en');
    location.hash = '';
    Told.all = [];
    Told.permission = 'granted';
    server = new FakeServer();
    ['Ann', 'Bob', 'Eve'].forEach((name) => server.person(name.toLowerCase(), name));
    group = server.addRoom('group', ['ann', 'bob', 'eve'], 'Team');
    direct = server.addRoom('direct', ['ann', 'bob']);
    server.say(direct.roomId, 'bob', 'said before');
    hub = new FakeHub(server, 'ann');
    TestBed.configureTestingModule({ providers: [provideZonelessChangeDetection()] });
    ring = vi.spyOn(TestBed.inject(Chime), 'ring').mockReturnValue(undefined);
    TestBed.inject(Notifier);
    TestBed.inject(UnreadBadge);
    TestBed.inject(Chat).signIn(CONFIG, { userId: 'ann', orgId: 'acme', name: 'Ann', token: () => Promise.resolve('') }, hub);
    await settle();
  });

  afterEach(async () => {
    await TestBed.inject(Chat).signOut();
    vi.useRealTimers();
    vi.unstubAllGlobals();
    vi.restoreAllMocks();
    localStorage.clear();
  });

  it("announce new messages, not old ones, nor the user's own", async () => {
    expect(texts()).toEqual([]);
    server.say(group.roomId, 'bob', '**hello**');
    server.say(direct.roomId, 'ann', 'mine');
    await settle();
    expect(texts()).toEqual(['Team: Bob: hello']);
    expect(ring).toHaveBeenCalledTimes(1);
  });

  it('announce once per chat what arrived while offline', async () => {
    hub.drop();
    server.say(direct.roomId, 'bob', 'one');
    server.say(direct.roomId, 'bob', 'two');
    await settle(8_000);
    expect(texts()).toEqual(['Bob: two']);
  });

  it('announce the first message of a new chat', async () => {
    const fresh = server.addRoom('direct', ['eve', 'ann']);
    hub.emit('RoomAdded', { room: structuredClone(fresh) });
    server.say(fresh.roomId, 'eve', 'hi');
    await settle();
    expect(texts()).toEqual(['Eve: hi']);
  });

  it('are silent about visible messages, and about those read or deleted in the meantime', async () => {
    TestBed.inject(Route).room(group.roomId);
    TestBed.inject(Notifier).inSight(group.roomId, true);
    server.say(group.roomId, 'bob', 'in sight');
    const gone = server.say(direct.roomId, 'bob', 'slip');
    await settle(100);
    server.edit(direct.roomId, gone.seq, { deleted: true });
    await settle();
    expect(texts()).toEqual([]);
    TestBed.inject(Notifier).inSight(group.roomId, false);
    server.say(group.roomId, 'bob', 'below what is in sight');
    const read = server.say(direct.roomId, 'bob', 'read on another device');
    await settle(100);
    hub.emit('ReceiptsUpdated', { roomId: direct.roomId, receipts: [{ userId: 'ann', readSeq: read.seq }] });
    await settle();
    expect(texts()).toEqual(['Team: Bob: below what is in sight']);
    expect(ring).toHaveBeenCalledTimes(1);
  });

  it('leave out muted chats, and so does the title', async () => {
    const mutes = TestBed.inject(Mutes);
    expect(document.title).toBe('(1) RTS');
    mutes.set(group.roomId, true);
    server.say(group.roomId, 'bob', 'quiet');
    await settle();
    expect([texts(), ring.mock.calls.length, document.title]).toEqual([[], 0, '(1) RTS']);
    expect(localStorage.getItem('rts.muted.acme.ann')).toBe(group.roomId);
    // Another one is added to them, also where storage keeps nothing; other settings of other tabs change nothing.
    localStorage.clear();
    mutes.set(direct.roomId, true);
    dispatchEvent(new StorageEvent('storage', { key: 'rts.language' }));
    expect([mutes.has(group.roomId), mutes.has(direct.roomId)]).toEqual([true, true]);
    mutes.set(direct.roomId, false);
    mutes.set(group.roomId, false);
    await settle();
    expect(document.title).toBe('(2) RTS');
  });

  it('follow the settings of the device, and open their chat on a click', async () => {
    const notifier = TestBed.inject(Notifier);
    notifier.setSound(false);
    server.say(direct.roomId, 'bob', 'shown only');
    await settle();
    expect(ring).not.toHaveBeenCalled();
    const [first] = Told.all;
    first?.onclick?.();
    expect(TestBed.inject(Route).roomId()).toBe(direct.roomId);
    await notifier.want(false);
    server.say(group.roomId, 'bob', 'neither');
    await settle();
    expect(Told.all).toHaveLength(1);
    expect([localStorage.getItem('rts.notify'), localStorage.getItem('rts.sound')]).toEqual(['off', 'off']);
  });

  it('are removed when their chat is read', async () => {
    const said = server.say(direct.roomId, 'bob', 'hello');
    await settle();
    hub.emit('ReceiptsUpdated', { roomId: direct.roomId, receipts: [{ userId: 'ann', readSeq: said.seq }] });
    await settle();
    expect(Told.all[0]?.close).toHaveBeenCalled();
  });

  it('stay off if the browser refuses', async () => {
    Told.permission = 'denied';
    expect(await TestBed.inject(Notifier).want(true)).toBe(false);
    expect(localStorage.getItem('rts.notify')).toBe('off');
  });
});
