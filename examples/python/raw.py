"""A client from docs/api/protocol.md and docs/guide/delivery.md: a raw WebSocket, and nothing besides Python's library.

As a program it says a sentence in a group of two on the cluster of `cargo local up`; as a module it has `Client`.
"""

import base64
import itertools
import json
import os
import queue
import random
import re
import socket
import struct
import threading
import time
import urllib.parse
import urllib.request
import uuid

END = "\x1e"
PING_SECONDS = 15
SILENCE_SECONDS = 30
CALL_SECONDS = 20


class HubError(Exception):
    """A call that the hub refused: its code and the sentence for people."""

    def __init__(self, text):
        found = re.search(r"HubException: (\w+): ([\s\S]*)$", text)
        self.code, self.sentence = found.groups() if found else ("lost", text)
        super().__init__(f"{self.code}: {self.sentence}")
        wait = re.search(r"retryAfterMs=(\d+)$", self.sentence)
        self.retry_after_seconds = int(wait[1]) / 1000 if wait else None


class Lost(Exception):
    """The connection ended before the answer came: the call may have taken effect."""


def dev_token(base, user, org="acme"):
    """Returns a token from the login for development."""
    body = json.dumps({"userId": user, "orgId": org, "name": user.title()}).encode()
    request = urllib.request.Request(f"{base}/dev/token", body, {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)["token"]


class Socket:
    """As much of RFC 6455 as a client needs: text frames out, whole messages in."""

    def __init__(self, url):
        parts = urllib.parse.urlsplit(url)
        self.stream = socket.create_connection((parts.hostname, parts.port or 80), timeout=SILENCE_SECONDS)
        key = base64.b64encode(os.urandom(16)).decode()
        self.stream.sendall(
            f"GET {parts.path}?{parts.query} HTTP/1.1\r\nHost: {parts.netloc}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        self.reader = self.stream.makefile("rb")
        status = self.reader.readline().decode()
        while self.reader.readline() not in (b"\r\n", b""):
            pass
        if " 101 " not in status:
            raise ConnectionError(status.strip())
        self.lock = threading.Lock()

    def send(self, text, opcode=1):
        data, mask = text if isinstance(text, bytes) else text.encode(), os.urandom(4)
        size = len(data)
        head = bytes([0x80 | opcode, 0x80 | size]) if size < 126 else bytes([0x80 | opcode, 0xFE]) + struct.pack(">H", size)
        if size > 0xFFFF:
            head = bytes([0x80 | opcode, 0xFF]) + struct.pack(">Q", size)
        masked = bytes(byte ^ mask[at % 4] for at, byte in enumerate(data))
        with self.lock:
            self.stream.sendall(head + mask + masked)

    def receive(self):
        """Returns the next message; raises `ConnectionError` at the end."""
        message = b""
        while True:
            first, second = self._read(2)
            size = second & 0x7F
            if size > 125:
                size = int.from_bytes(self._read(2 if size == 126 else 8), "big")
            data, opcode = self._read(size), first & 0x0F
            if opcode == 9:
                self.send(data, 10)
            elif opcode == 8:
                raise ConnectionError("the server closed the WebSocket")
            elif opcode != 10:
                message += data
                if first & 0x80:
                    return message.decode()

    def _read(self, size):
        data = self.reader.read(size)
        if len(data) < size:
            raise ConnectionError("the connection ended")
        return data

    def close(self):
        # Also wakes a reader.
        try:
            self.stream.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.stream.close()


class Connection:
    """One connection: the handshake, calls, events, pings."""

    def __init__(self, base, token, on_event):
        query = urllib.parse.urlencode({"access_token": token})
        self.socket = Socket(f"{base.replace('http', 'ws', 1)}/hubs/chat?{query}")
        self.on_event, self.ids, self.waiting = on_event, itertools.count(1), {}
        self.close_record = None
        self.ended = threading.Event()
        self.socket.send(json.dumps({"protocol": "json", "version": 1}) + END)
        first, *rest = self.socket.receive().split(END)
        if "error" in json.loads(first):
            raise ConnectionError(json.loads(first)["error"])
        self.rest = [record for record in rest if record]
        for work in (self._read, self._ping):
            threading.Thread(target=work, daemon=True).start()

    def call(self, method, request):
        """Calls a method and waits for its answer."""
        call_id, answer = str(next(self.ids)), queue.Queue()
        self.waiting[call_id] = answer
        try:
            self._send({"type": 1, "invocationId": call_id, "target": method, "arguments": [request]})
            record = answer.get(timeout=CALL_SECONDS)
        except (OSError, queue.Empty) as error:
            raise Lost(method) from error
        finally:
            self.waiting.pop(call_id, None)
        if record is None:
            raise Lost(method)
        if "error" in record:
            raise HubError(record["error"])
        return record.get("result")

    def close(self):
        self.socket.close()

    def _send(self, record):
        if self.ended.is_set():
            raise Lost("the connection has ended")
        self.socket.send(json.dumps(record) + END)

    def _read(self):
        try:
            while self.close_record is None:
                for record in self.rest:
                    self._take(json.loads(record))
                self.rest = [record for record in self.socket.receive().split(END) if record]
        except (OSError, ValueError):
            pass
        self.ended.set()
        for answer in list(self.waiting.values()):
            answer.put(None)

    def _take(self, record):
        if record["type"] == 1:
            self.on_event(record["target"], record["arguments"][0])
        elif record["type"] == 3 and record["invocationId"] in self.waiting:
            self.waiting[record["invocationId"]].put(record)
        elif record["type"] == 7:
            self.close_record = record

    def _ping(self):
        while not self.ended.wait(PING_SECONDS):
            try:
                self._send({"type": 6})
            except (OSError, Lost):
                return


class Client:
    """A client that misses nothing: docs/guide/delivery.md, step by step."""

    def __init__(self, base, token):
        self.base, self.token = base, token
        self.lock = threading.RLock()
        #: The last event's seq of each room, and its messages by their seq.
        self.last, self.messages = {}, {}
        self.truncated = []
        self.collected = []
        self.connection = None

    def start(self):
        self.connect()
        cursor = None
        while True:
            page = self.connection.call("ListRooms", {"cursor": cursor} if cursor else {})
            with self.lock:
                for entry in page["rooms"]:
                    room = entry["room"]["roomId"]
                    self.last[room] = entry["headSeq"]
                    self.messages.setdefault(room, {})
            cursor = page.get("cursor")
            if cursor is None:
                break
        self.live()
        return self

    def connect(self):
        with self.lock:
            self.collected = []
        self.connection = Connection(self.base, self.token(), self._event)

    def live(self):
        """From here on, events are applied as they come; first those that were collected."""
        with self.lock:
            collected, self.collected = self.collected, None
            for name, event in collected:
                self._apply(name, event)

    def reconnect(self):
        """Connects again, and gets what was missed."""
        pause = 0.1
        while True:
            try:
                self.connect()
                self.resume()
                self.live()
                return
            except (OSError, Lost) as error:
                if pause > 5:
                    raise error
                time.sleep(pause * random.uniform(1, 1.5))
                pause *= 2

    def resume(self):
        with self.lock:
            named = dict(self.last)
        rooms = [{"roomId": room, "seq": seq} for room, seq in named.items()]
        joined = set()
        for start in range(0, max(len(rooms), 1), 1000):
            answer = self.connection.call("Resume", {"rooms": rooms[start:start + 1000]})
            joined.update(room for room in answer["joined"] if room not in named)
            for room in answer["left"]:
                self.last.pop(room, None)
            for resumed in answer["rooms"]:
                self._resumed(resumed)
        for room in joined:
            self._replace(room, self.connection.call("GetRoom", {"roomId": room})["room"]["headSeq"])

    def _resumed(self, resumed):
        room = resumed["roomId"]
        if resumed["truncated"]:
            self.truncated.append(room)
            self._replace(room, resumed["headSeq"])
            return
        with self.lock:
            for event in resumed["events"]:
                self._apply(event["type"], event)

    def _replace(self, room, head):
        page = self.connection.call("GetHistory", {"roomId": room})
        with self.lock:
            self.messages[room] = {message["seq"]: message for message in page["messages"]}
            self.last[room] = head

    def send(self, room, body):
        """Sends a message, as often as needed, and returns its seq: it is one message."""
        request = {"roomId": room, "clientId": uuid.uuid4().hex, "body": body}
        pause = 0.1
        for _ in range(12):
            try:
                return self.connection.call("SendMessage", request)["seq"]
            except HubError as error:
                if error.code not in ("unavailable", "rateLimited", "internal"):
                    raise
                time.sleep((error.retry_after_seconds or pause) * random.uniform(1, 1.5))
            except Lost:
                self.reconnect()
            pause = min(pause * 2, 5)
        raise TimeoutError("the message was not sent")

    def close(self):
        self.connection.close()

    def _event(self, name, event):
        with self.lock:
            if self.collected is None:
                self._apply(name, event)
            else:
                self.collected.append((name, event))

    def _apply(self, name, event):
        if name == "RoomAdded":
            room = event["room"]
            self.last.setdefault(room["roomId"], room["headSeq"])
            self.messages.setdefault(room["roomId"], {})
        elif name == "RoomRemoved":
            self.last.pop(event["roomId"], None)
        if "prev" not in event or event["roomId"] not in self.last:
            return
        room = event["roomId"]
        if event["seq"] <= self.last[room]:
            return
        if event["prev"] > self.last[room]:
            # Something is missing: not in this thread, which has to go on reading.
            threading.Timer(0.3, self._fill, [room]).start()
            return
        self.last[room] = event["seq"]
        if name.startswith("Message"):
            known = self.messages[room].get(event["message"]["seq"])
            if known is None or known["version"] <= event["message"]["version"]:
                self.messages[room][event["message"]["seq"]] = event["message"]

    def _fill(self, room):
        try:
            answer = self.connection.call("Resume", {"rooms": [{"roomId": room, "seq": self.last[room]}]})
            for resumed in answer["rooms"]:
                self._resumed(resumed)
        except (HubError, Lost, KeyError):
            # A reconnect resumes all rooms.
            pass


def until(holds, what, seconds=20):
    """Waits until something holds."""
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            raise TimeoutError(what)
        time.sleep(0.02)


def main():
    base = os.environ.get("RTS_URL", "http://127.0.0.1:8080")
    ann, bob = (Client(base, lambda user=user: dev_token(base, user)).start() for user in ("ann", "bob"))
    room = ann.connection.call("CreateRoom", {"kind": "group", "memberIds": ["bob"], "name": "Python"})["room"]["roomId"]
    seq = ann.send(room, "안녕 Bob")
    until(lambda: seq in bob.messages.get(room, {}), "the message for bob")
    print("bob sees", seq, bob.messages[room][seq]["body"])
    for client in (ann, bob):
        client.close()


if __name__ == "__main__":
    main()
