"""A user on the stock Python client: connects, sends, receives, and is rejected. Reads the request as JSON from standard
input, and writes the outcome as a line of JSON to standard output."""

import json
import logging
import sys
import threading

from signalrcore.hub_connection_builder import HubConnectionBuilder
from signalrcore.types import HttpTransportType, HubProtocolEncoding

PATIENCE_SECONDS = 80
PROTOCOLS = {"json": HubProtocolEncoding.text, "messagepack": HubProtocolEncoding.binary}


def main():
    request = json.load(sys.stdin)
    opened, acked, heard_all, refused = (threading.Event() for _ in range(4))
    acks, heard, errors = [], [], []

    def on_message(arguments):
        message = arguments[0]["message"]
        heard.append([message["seq"], message["body"]])
        if len(heard) >= request["hear"]:
            heard_all.set()

    def on_error(completion):
        errors.append(completion.error)
        if len(errors) >= 2:
            refused.set()

    hub = (
        HubConnectionBuilder()
        .with_url(
            request["url"],
            options={
                "access_token_factory": lambda: request["token"],
                "transport": HttpTransportType(request["transport"]),
            },
        )
        .configure_logging(logging.ERROR)
        .with_hub_protocol(PROTOCOLS[request["protocol"]])
        .build()
    )
    hub.on("MessageCreated", on_message)
    hub.on_open(opened.set)
    hub.on_error(on_error)
    hub.start()
    wait(opened, "the connection")

    # The first answer comes after the node has subscribed to the user's events.
    listening = threading.Event()
    hub.invoke("ListRooms", [{"limit": 1}], lambda _: listening.set())
    wait(listening, "the first answer")
    tell({"connected": True})

    for number in range(request["send"]):
        send = {"roomId": request["roomId"], "clientId": f"python-{number}", "body": f"from Python {number} 안녕"}

        def on_ack(completion, send=send):
            acks.append({"clientId": send["clientId"], "body": send["body"], "seq": completion.result["seq"]})
            if len(acks) >= request["send"]:
                acked.set()

        hub.invoke("SendMessage", [send], on_ack)
    wait(acked, "the acks")
    wait(heard_all, "the messages")
    hub.invoke("GetRoom", [{"roomId": "nobody's"}])
    hub.invoke("Nothing", [{}])
    wait(refused, "the errors")
    tell({"acks": acks, "heard": heard, "errors": errors})
    hub.stop()


def wait(event, what):
    if not event.wait(PATIENCE_SECONDS):
        raise TimeoutError(f"not in time: {what}")


def tell(result):
    print(json.dumps(result), flush=True)


main()
