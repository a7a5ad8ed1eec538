import { opened } from './testing/harness';

describe('people', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it('keep a known name when a room has only the id, and take a new name', async () => {
    const { client } = await opened();
    const { people } = client;
    people.learn([{ userId: 'new', displayName: 'new' }]);
    expect(people.name('new')).toBe('new');
    people.learn([{ userId: 'new', displayName: 'New Person', status: 'away' }]);
    people.learn([{ userId: 'new', displayName: 'new', status: 'online' }]);
    expect([people.name('new'), people.status('new')]).toEqual(['New Person', 'online']);
    people.learn([{ userId: 'new', displayName: '새 사람' }]);
    expect([people.name('new'), people.status('new')]).toEqual(['새 사람', 'online']);
  });
});
