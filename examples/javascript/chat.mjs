import * as signalR from "@microsoft/signalr";
const base = "http://127.0.0.1:8080";

async function connect(userId) {
  const accessTokenFactory = async () => {
    const reply = await fetch(`${base}/dev/token`, {
      method: "POST", headers: { "content-type": "application/json" },
      body: JSON.stringify({ userId, orgId: "acme", name: userId }) });
    return (await reply.json()).token;
  };
  const hub = new signalR.HubConnectionBuilder()
    .withUrl(`${base}/hubs/chat`, { accessTokenFactory }).withAutomaticReconnect().build();
  hub.on("MessageCreated", ({ message }) => console.log(`${userId} sees ${message.seq}: ${message.body}`));
  await hub.start();
  return hub;
}

const [ann, bob] = [await connect("ann"), await connect("bob")];
const { room } = await ann.invoke("CreateRoom", { kind: "direct", memberIds: ["bob"] });
await ann.invoke("SendMessage", { roomId: room.roomId, clientId: crypto.randomUUID(), body: "안녕 Bob" });
console.log((await bob.invoke("GetHistory", { roomId: room.roomId })).messages.length, "message in history");
setTimeout(() => Promise.all([ann.stop(), bob.stop()]), 500);
