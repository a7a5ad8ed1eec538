/** Scripts with words of one character; a lone Hangul letter is a syllable that is still being typed. */
const WORD_SIGN = /^(?![\u3131-\u318e])[\p{Script=Hangul}\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}]$/u;

/** True if the query is worth a call: a single letter of an alphabet would match every message. */
export const isSearchable = (query: string): boolean => query.length > 1 || WORD_SIGN.test(query);
