// A conversation: users who send, edit, delete and read, and a ledger of what was acked.

import { randomInt } from "node:crypto";

import { pause } from "./wait.js";

const IN_FLIGHT = 6;

/** Makes every user send `each` messages to a room, several in flight, and change some of them. */
export async function talk(ledger, roomId, clients, each, { editEvery = 10, deleteEvery = 25 } = {}) {
  await Promise.all(clients.map((client) => speak(ledger, roomId, client, each, { editEvery, deleteEvery })));
}

async function speak(ledger, roomId, client, count, { editEvery, deleteEvery }) {
  let next = 0;
  const worker = async () => {
    while (next < count) {
      const number = (next += 1);
      const message = await say(ledger, roomId, client, `${client.user} says ${number} ${"한".repeat(randomInt(1, 30))}`);
      if (number % deleteEvery === 0) await remove(ledger, roomId, client, message.seq);
      else if (number % editEvery === 0) await edit(ledger, roomId, client, message.seq, `${message.body} (edited)`);
    }
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, worker));
}

/** Sends one message at the rate that the server allows. */
export async function say(ledger, roomId, client, body) {
  const clientId = `${client.user}-${(client.said = (client.said ?? 0) + 1)}`;
  const ack = await patiently(() => client.call("SendMessage", { roomId, clientId, body }));
  if (ack.duplicate) throw new Error(`${clientId} was no duplicate`);
  return ledger.sent(roomId, client.user, clientId, body, ack);
}

/** Edits a message. */
export async function edit(ledger, roomId, client, seq, body) {
  const { message } = await patiently(() => client.call("EditMessage", { roomId, seq, body }));
  return ledger.changed(roomId, message);
}

/** Deletes a message. */
export async function remove(ledger, roomId, client, seq) {
  const { message } = await patiently(() => client.call("DeleteMessage", { roomId, seq }));
  return ledger.changed(roomId, message);
}

/** Retries after the time that the server asks for. */
export async function patiently(call) {
  for (;;) {
    try {
      return await call();
    } catch (error) {
      if (error.code !== "rateLimited") throw error;
      await pause(error.retryAfterMs);
    }
  }
}
