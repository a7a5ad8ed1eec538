// A raw WebSocket in Java, without a library: `java Chat.java`. With a SignalR client for Java (com.microsoft.signalr), the handshake and the pings are its own.

import java.net.URI;
import java.net.URLEncoder;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.WebSocket;
import java.nio.charset.StandardCharsets;
import java.util.UUID;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

public final class Chat {
    private static final char END = 0x1E;
    private static final String BASE = System.getenv().getOrDefault("RTS_URL", "http://127.0.0.1:8080");
    private static final HttpClient HTTP = HttpClient.newHttpClient();

    public static void main(String[] arguments) throws Exception {
        var records = new LinkedBlockingQueue<String>();
        var socket = connect(token("ann"), records);
        socket.sendText("{\"protocol\":\"json\",\"version\":1}" + END, true).join();
        if (!"{}".equals(records.poll(10, TimeUnit.SECONDS))) throw new IllegalStateException("no handshake");

        var room = field(call(socket, records, "CreateRoom", "{\"kind\":\"group\",\"memberIds\":[],\"name\":\"Java\"}"), "roomId");
        var request = "{\"roomId\":\"" + room + "\",\"clientId\":\"" + UUID.randomUUID() + "\",\"body\":\"안녕 from Java\"}";
        // A seq needs 64 bits.
        long seq = Long.parseLong(field(call(socket, records, "SendMessage", request), "seq"));
        System.out.println("sent " + seq);
        socket.sendClose(WebSocket.NORMAL_CLOSURE, "").join();
    }

    private static String token(String user) throws Exception {
        var body = "{\"userId\":\"" + user + "\",\"orgId\":\"acme\",\"name\":\"" + user + "\"}";
        var request = HttpRequest.newBuilder(URI.create(BASE + "/dev/token")).header("content-type", "application/json")
            .POST(HttpRequest.BodyPublishers.ofString(body)).build();
        return field(HTTP.send(request, HttpResponse.BodyHandlers.ofString()).body(), "token");
    }

    private static WebSocket connect(String token, LinkedBlockingQueue<String> records) {
        var url = BASE.replaceFirst("^http", "ws") + "/hubs/chat?access_token=" + URLEncoder.encode(token, StandardCharsets.UTF_8);
        return HTTP.newWebSocketBuilder().buildAsync(URI.create(url), new WebSocket.Listener() {
            private final StringBuilder text = new StringBuilder();

            @Override
            public CompletionStage<?> onText(WebSocket socket, CharSequence part, boolean isLast) {
                text.append(part);
                for (int end = text.indexOf("" + END); end >= 0; end = text.indexOf("" + END)) {
                    records.add(text.substring(0, end));
                    text.delete(0, end + 1);
                }
                socket.request(1);
                return null;
            }
        }).join();
    }

    /** Calls a method and waits for its answer; events in between are printed. */
    private static String call(WebSocket socket, LinkedBlockingQueue<String> records, String method, String request) throws Exception {
        var id = UUID.randomUUID().toString();
        socket.sendText("{\"type\":1,\"invocationId\":\"" + id + "\",\"target\":\"" + method + "\",\"arguments\":[" + request + "]}" + END, true).join();
        while (true) {
            var record = records.poll(20, TimeUnit.SECONDS);
            if (record == null) throw new IllegalStateException("no answer to " + method);
            if (record.contains("\"invocationId\":\"" + id + "\"")) {
                if (record.contains("\"error\":")) throw new IllegalStateException(record);
                return record;
            }
            System.out.println("event " + record);
        }
    }

    /** Reads one field of a JSON text; an application uses a JSON library. */
    private static String field(String json, String name) {
        Matcher found = Pattern.compile("\"" + name + "\":\"?([^\",}]+)").matcher(json);
        if (!found.find()) throw new IllegalStateException("no " + name + " in " + json);
        return found.group(1);
    }
}
