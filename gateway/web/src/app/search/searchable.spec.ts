import { isSearchable } from './searchable';

describe('isSearchable', () => {
  it.each([['집', true], ['山', true], ['あ', true], ['ok', true], ['🎉', true], ['a', false], ['ㄱ', false], ['ㅏ', false], ['7', false], ['', false]])('%s: %s', (query, is) => {
    expect(isSearchable(query)).toBe(is);
  });
});
