// Waiting for a condition with a deadline: nothing in these tests sleeps and hopes.

const POLL_MS = 15;

/** Resolves after so many milliseconds: for pacing only, never to wait for something to happen. */
export const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

const FIRST_WAIT_MS = 150;
const LONGEST_WAIT_MS = 5_000;

/**
 * Waits before a call is tried again: at least what the server says and up to half more, or a growing time of which half is random.
 * @param {number} attempt how often it was refused before, from 0
 * @param {number} [toldMs] `retryAfterMs` of the refusal
 */
export const backOff = (attempt, toldMs) => {
  const step = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** Math.min(attempt, 30));
  return pause(toldMs === undefined ? step * (0.5 + Math.random() / 2) : toldMs * (1 + Math.random() / 2));
};

/**
 * Waits until `condition` gives something truthy, and returns that. A condition that throws counts as not yet true.
 * @param {() => any} condition may be asynchronous
 * @param {string | (() => string)} what for the error when the deadline passes
 */
export async function until(condition, what, deadlineMs = 10_000, pollMs = POLL_MS) {
  const deadline = Date.now() + deadlineMs;
  let thrown;
  for (;;) {
    try {
      const value = await condition();
      if (value) return value;
      thrown = undefined;
    } catch (error) {
      thrown = error;
    }
    if (Date.now() > deadline) {
      const text = typeof what === "function" ? what() : what;
      throw new Error(`not within ${deadlineMs} ms: ${text}`, thrown && { cause: thrown });
    }
    await pause(pollMs);
  }
}

/** The promise's value, or an error when it takes too long. */
export async function within(promise, what, deadlineMs = 10_000) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not within ${deadlineMs} ms: ${what}`)), deadlineMs);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Runs `work` for each item, so many at once, in order of the items. */
export async function forEachOf(items, atOnce, work) {
  const queue = [...items].entries();
  const worker = async () => {
    for (const [index, item] of queue) await work(item, index);
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
}
