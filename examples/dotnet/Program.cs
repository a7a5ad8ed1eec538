// dotnet new console, dotnet add package Microsoft.AspNetCore.SignalR.Client, then this. Not run by CI: there is no .NET on its machine.
using System.Net.Http.Json;
using Microsoft.AspNetCore.SignalR.Client;

var address = Environment.GetEnvironmentVariable("RTS_URL") ?? "http://127.0.0.1:8080";
using var http = new HttpClient();

async Task<string?> Token(string userId)
{
    var reply = await http.PostAsJsonAsync($"{address}/dev/token", new { userId, orgId = "acme", name = userId });
    reply.EnsureSuccessStatusCode();
    return (await reply.Content.ReadFromJsonAsync<Issued>())!.Token;
}

await using var hub = new HubConnectionBuilder()
    .WithUrl($"{address}/hubs/chat", options => options.AccessTokenProvider = () => Token("ann"))
    .WithAutomaticReconnect()
    .Build();
hub.On<MessageEvent>("MessageCreated", told => Console.WriteLine($"{told.Message.Seq}: {told.Message.Body}"));
await hub.StartAsync();
var made = await hub.InvokeAsync<RoomAnswer>("CreateRoom", new { kind = "group", memberIds = Array.Empty<string>(), name = ".NET" });
var sent = await hub.InvokeAsync<Sent>("SendMessage", new { made.Room.RoomId, clientId = Guid.NewGuid().ToString(), body = "안녕 from .NET" });
Console.WriteLine($"sent {sent.Seq}");

record Issued(string Token);
record Room(string RoomId, long HeadSeq);
record RoomAnswer(Room Room);
record Sent(long Seq, bool Duplicate);
record Message(string RoomId, long Seq, string SenderId, string Body);
record MessageEvent(string RoomId, long Seq, long Prev, Message Message);
