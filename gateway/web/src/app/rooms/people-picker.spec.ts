import { ComponentFixture, TestBed } from '@angular/core/testing';
import { Chat } from '../core/chat';
import { loadConfig } from '../core/config';
import { FoundUser } from '../rts';
import { FakeHub, hubError } from '../rts/testing/fake-hub';
import { FakeServer } from '../rts/testing/fake-server';
import { settle } from '../rts/testing/harness';
import { NewChat } from './new-chat';
import { PeoplePicker } from './people-picker';

const PEOPLE: [string, string][] = [
  ['ann', 'Ann'], ['minji', 'Minji Lee'], ['minsu', 'Minsu Kim'], ['mina', 'Mina'], ['kim', 'Ji Kim'], ['hana', 'Hana'],
];

/** Signs in `ann`, who knows `minji`; the directory knows everybody. */
async function signedIn(): Promise<{ server: FakeServer; hub: FakeHub; chat: Chat }> {
  vi.stubGlobal('fetch', () => Promise.resolve(new Response(null, { status: 404 })));
  const server = new FakeServer();
  PEOPLE.forEach(([userId, name]) => server.person(userId, name));
  server.addRoom('direct', ['ann', 'minji']);
  const hub = new FakeHub(server, 'ann');
  const chat = TestBed.inject(Chat);
  chat.signIn(await loadConfig(), { userId: 'ann', orgId: 'acme', name: 'Ann', token: () => Promise.resolve('') }, hub);
  await settle();
  return { server, hub, chat };
}

function inputOf<T>(fixture: ComponentFixture<T>): HTMLInputElement {
  return (fixture.nativeElement as HTMLElement).querySelector('input') as HTMLInputElement;
}
function type<T>(fixture: ComponentFixture<T>, text: string): void {
  inputOf(fixture).value = text;
  inputOf(fixture).dispatchEvent(new Event('input'));
  TestBed.tick();
}
function press<T>(fixture: ComponentFixture<T>, key: string): void {
  inputOf(fixture).dispatchEvent(new KeyboardEvent('keydown', { key, cancelable: true, bubbles: true }));
  TestBed.tick();
}

beforeEach(() => {
  vi.useFakeTimers();
  HTMLDialogElement.prototype.showModal = () => undefined;
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

describe('PeoplePicker', () => {
  async function picker(): Promise<{ hub: FakeHub; fixture: ComponentFixture<PeoplePicker>; ids: () => string[]; active: () => string | null | undefined }> {
    const { hub } = await signedIn();
    const fixture = TestBed.createComponent(PeoplePicker);
    fixture.componentRef.setInput('chosen', []);
    fixture.detectChanges();
    await settle(300);
    const active = (): string | null | undefined => (fixture.nativeElement as HTMLElement).querySelector('li.active .muted, li.active span')?.textContent;
    return { hub, fixture, active, ids: () => (fixture.componentInstance.chosen() as readonly FoundUser[]).map(({ userId }) => userId) };
  }

  it('waits on Enter for the answer to the query, then takes the matching person', async () => {
    const { fixture, ids } = await picker();
    type(fixture, 'min');
    type(fixture, 'minsu');
    press(fixture, 'Enter');
    expect(ids()).toEqual([]);
    await settle(300);
    expect(ids()).toEqual(['minsu']);
  });

  it('does not take a person from the previous answer', async () => {
    const { hub, fixture, ids } = await picker();
    hub.next('SearchUsers', () => ({ users: [{ userId: 'kim', displayName: 'Ji Kim' }] }));
    type(fixture, 'ji');
    await settle(300);
    type(fixture, 'hana');
    press(fixture, 'Enter');
    await settle(300);
    expect(ids()).toEqual(['hana']);
  });

  it('takes nobody if several match, and takes an exact name', async () => {
    const { fixture, ids } = await picker();
    type(fixture, 'min');
    press(fixture, 'Enter');
    await settle(300);
    expect(ids()).toEqual([]);
    type(fixture, 'mina');
    press(fixture, 'Enter');
    await settle(300);
    expect(ids()).toEqual(['mina']);
  });

  it('does not add an unknown id on an Enter before the answer', async () => {
    const { fixture, ids } = await picker();
    type(fixture, 'nobody-known');
    press(fixture, 'Enter');
    await settle(300);
    expect(ids()).toEqual([]);
    press(fixture, 'Enter');
    expect(ids()).toEqual(['nobody-known']);
  });

  it('takes nobody if the search failed', async () => {
    const { hub, fixture, ids } = await picker();
    hub.next('SearchUsers', () => {
      throw hubError('SearchUsers', 'unavailable: Later.');
    });
    type(fixture, 'min');
    press(fixture, 'Enter');
    await settle(300);
    expect(ids()).toEqual([]);
  });

  it('forgets an Enter when the query changes', async () => {
    const { fixture, ids } = await picker();
    type(fixture, 'minsu');
    press(fixture, 'Enter');
    type(fixture, 'minsu x');
    await settle(300);
    expect(ids()).toEqual([]);
  });

  it('keeps the same person marked when the answer arrives', async () => {
    const { fixture, ids, active } = await picker();
    type(fixture, 'm');
    const before = active();
    press(fixture, 'ArrowDown');
    const marked = active();
    expect(marked).not.toBe(before);
    press(fixture, 'ArrowUp');
    await settle(300);
    TestBed.tick();
    expect(active()).toBe(before);
    press(fixture, 'Enter');
    expect(ids()).toEqual(['minji']);
  });
});

describe('NewChat', () => {
  async function dialog(): Promise<{ server: FakeServer; roomId: string; choose: (people: FoundUser[], caseId: string) => Promise<void>; click: (name: string) => Promise<void>; text: () => string }> {
    const { server } = await signedIn();
    const { roomId } = server.addRoom('group', ['ann', 'minji'], 'Claim');
    server.get(roomId).room.caseId = 'C-1';
    const fixture = TestBed.createComponent(NewChat);
    fixture.detectChanges();
    const element = fixture.nativeElement as HTMLElement;
    const inner = fixture.componentInstance as unknown as { people: { set(people: FoundUser[]): void }; caseId: { set(id: string): void } };
    const click = async (name: string): Promise<void> => {
      ([...element.querySelectorAll('button')].find((button) => button.textContent?.includes(name)) as HTMLButtonElement).click();
      await settle();
      fixture.detectChanges();
    };
    const choose = async (people: FoundUser[], caseId: string): Promise<void> => {
      inner.people.set(people);
      inner.caseId.set(caseId);
      fixture.detectChanges();
      element.querySelector('form')?.dispatchEvent(new Event('submit', { cancelable: true }));
      await settle();
      fixture.detectChanges();
    };
    return { server, roomId, choose, click, text: () => element.textContent ?? '' };
  }
  const members = (server: FakeServer, roomId: string): string[] => server.get(roomId).room.members.map(({ userId }) => userId);
  const hana = { userId: 'hana', displayName: 'Hana' };
  afterEach(() => history.replaceState(null, '', '/'));

  it('asks about a case that has a chat, and adds the chosen people to it', async () => {
    const { server, roomId, choose, click, text } = await dialog();
    await choose([hana, { userId: 'minji', displayName: 'Minji Lee' }], 'C-1');
    expect(text()).toContain('There is a chat for case C-1 already: Claim.');
    expect(text()).toContain('Not in it yet: Hana');
    expect([members(server, roomId), location.hash]).toEqual([['ann', 'minji'], '']);
    await click('Add them and open it');
    expect([members(server, roomId), location.hash]).toEqual([['ann', 'minji', 'hana'], `#/rooms/${roomId}`]);
  });

  it('opens the existing chat unchanged', async () => {
    const { server, roomId, choose, click } = await dialog();
    await choose([hana], 'C-1');
    await click('Open it as it is');
    expect([members(server, roomId), location.hash]).toEqual([['ann', 'minji'], `#/rooms/${roomId}`]);
  });

  it('does not ask about a new case, or if everybody is a member already', async () => {
    const { server, roomId, choose } = await dialog();
    await choose([{ userId: 'minji', displayName: 'Minji Lee' }], 'C-1');
    expect(location.hash).toBe(`#/rooms/${roomId}`);
    await choose([hana], 'C-2');
    const made = [...server.rooms.values()].find(({ room }) => room.caseId === 'C-2')?.room;
    expect(location.hash).toBe(`#/rooms/${made?.roomId}`);
  });
});
