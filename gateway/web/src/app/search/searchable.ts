/** Scripts whose words may be one sign; a lone letter of Hangul is a syllable that is still being typed. */
const WORD_SIGN = /^(?![\u3131-\u318e])[\p{Script=Hangul}\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}]$/u;

/** Whether a search for this is worth a call: one letter of an alphabet is in every message. */
export const isSearchable = (query: string): boolean => query.length > 1 || WORD_SIGN.test(query);
