import { parse } from './route';

describe('parse', () => {
  it.each([
    ['', { archive: false }],
    ['#/', { archive: false }],
    ['#/rooms/', { archive: false }],
    ['#/archive', { archive: true }],
    ['#/rooms/r%201', { archive: false, roomId: 'r 1' }],
    ['#/archive/r1', { archive: true, roomId: 'r1' }],
  ])('reads %s', (hash, place) => {
    expect(parse(hash)).toEqual(place);
  });

  it.each(['#/rooms/%', '#/rooms/%E0%A4%A', '#/archive/%zz', '#/rooms/a/b', '#/settings', '#rooms?x=1', '#/%'])('reads %s as unknown, not as an error', (hash) => {
    expect(parse(hash).unknown).toBe(true);
    expect(parse(hash).roomId).toBeUndefined();
  });
});
