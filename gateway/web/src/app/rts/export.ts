import { Backoff, delay } from './backoff';
import { RtsConnection } from './connection';
import { Message, Seq } from './contract';
import { toRtsError } from './errors';

/** Length of the text, in characters, that becomes one part of a file. */
const PART_CHARS = 512 * 1024;

/**
 * Yields every message of a room from one seq to another, in order, each once. After a lost connection it continues
 * after the last message.
 */
export async function* everyMessage(connection: RtsConnection, roomId: string, from: Seq = 0, to?: Seq): AsyncGenerator<Message> {
  const backoff = new Backoff(500, 10_000);
  let next = from;
  for (;;) {
    try {
      for await (const message of connection.stream('StreamHistory', { roomId, from: next, ...(to === undefined ? {} : { to }) })) {
        next = message.seq + 1;
        backoff.reset();
        yield message;
      }
      return;
    } catch (failure) {
      const error = toRtsError(failure);
      if (!error.retryable || connection.state() === 'ended' || connection.state() === 'refused') {
        throw error;
      }
      await delay(backoff.after(error.retryAfterMs));
    }
  }
}

/**
 * Returns messages as JSON lines (one object per line, UTF-8), in a file that the browser holds. `progress` gets the
 * count so far; `abort` ends the export with its reason.
 */
export async function jsonLines(messages: AsyncIterable<Message>, progress: (count: number) => void, abort: AbortSignal): Promise<Blob> {
  const parts: Blob[] = [];
  let text = '';
  let count = 0;
  const flush = (): void => {
    // The browser may put a blob on disk; a long text stays in memory.
    parts.push(new Blob([text]));
    text = '';
    progress(count);
  };
  for await (const message of messages) {
    abort.throwIfAborted();
    text += `${JSON.stringify(message)}\n`;
    count += 1;
    if (text.length >= PART_CHARS || count % 500 === 0) {
      flush();
    }
  }
  flush();
  return new Blob(parts, { type: 'application/x-ndjson' });
}
