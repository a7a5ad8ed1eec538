// Waits for a condition with a deadline: no test sleeps and hopes.

const POLL_MS = 15;

/** Resolves after `ms` milliseconds: for pacing only, never to wait for something to happen. */
export const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

const FIRST_WAIT_MS = 150;
const LONGEST_WAIT_MS = 5_000;

/**
 * Waits before a retry: at least as long as the server asks and up to half more, or a growing time, half of it random.
 * @param {number} attempt the number of earlier failures, from 0
 * @param {number} [toldMs] `retryAfterMs` of the error
 */
export const backOff = (attempt, toldMs) => {
  const step = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** Math.min(attempt, 30));
  return pause(toldMs === undefined ? step * (0.5 + Math.random() / 2) : toldMs * (1 + Math.random() / 2));
};

/**
 * Waits until `condition` returns something truthy, and returns that. A condition that throws counts as not yet true.
 * @param {() => any} condition may be asynchronous
 * @param {string | (() => string)} what names the condition in the error after the deadline
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

/** Returns the promise's value, or fails after the deadline. */
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

/** Runs `work` for each item in order, at most `atOnce` at a time. */
export async function forEachOf(items, atOnce, work) {
  const queue = [...items].entries();
  const worker = async () => {
    for (const [index, item] of queue) await work(item, index);
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
}
