// The users of a test: new for each test, so that tests cannot interfere with each other, and disconnected at its end.

let people = 0;

/** A user id that no other test uses. */
export const person = (name) => `${name}-${process.pid}-${(people += 1)}`;

/**
 * Connects users of one organization through the balancer, old and new clients in turn.
 * @returns their clients, in order
 */
export async function cast(t, cluster, ...names) {
  const clients = [];
  t.after(() => Promise.all(clients.map((client) => client.stop())));
  for (const name of names) {
    const version = clients.length % 2 === 0 ? 10 : 5;
    clients.push(await cluster.connect(person(name), { version }));
  }
  return clients;
}

/** Creates a group with these members, owned by the first. All of them have received RoomAdded when it returns. */
export async function makeGroup(owner, others = [], more = {}) {
  const memberIds = others.map(({ user }) => user);
  const { room } = await owner.call("CreateRoom", { kind: "group", memberIds, ...more });
  await heard([owner, ...others], room.roomId);
  return room.roomId;
}

/** Creates the direct room of two users. Both have received RoomAdded when it returns. */
export async function makeDirect(one, other) {
  const { room } = await one.call("CreateRoom", { kind: "direct", memberIds: [other.user] });
  await heard([one, other], room.roomId);
  return room.roomId;
}

async function heard(clients, roomId) {
  await Promise.all(clients.map((client) => client.notice("RoomAdded", ({ room }) => room.roomId === roomId)));
}

/** Sends one message under a new clientId. Returns its ack together with what was sent. */
export async function send(client, roomId, body = "hello", more = {}) {
  const clientId = more.clientId ?? crypto.randomUUID();
  const ack = await client.call("SendMessage", { roomId, clientId, body, ...more });
  return { roomId, clientId, body, senderId: client.user, ...ack };
}
