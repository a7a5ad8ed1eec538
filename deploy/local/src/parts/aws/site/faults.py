"""Faults that can be switched on while the stand-in runs, for tests and load tests.

`POST /_rts/faults` with `{"sqs": ..., "dynamodb": ...}`, each left out or one of
  sqs       "none" | "refuse" | {"slow": messages a second}
  dynamodb  "none" | {"throttle": percent of requests}
"""

import asyncio
import json
import random

PATH = "/_rts/faults"
SENDS = ("AmazonSQS.SendMessage", "AmazonSQS.SendMessageBatch")
JSON = b"application/x-amz-json-1.0"

UNAVAILABLE = (503, "ServiceUnavailable", "The service is not available, as was asked for.")
THROTTLED = (
    400,
    "com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException",
    "The level of configured provisioned throughput for the table was exceeded, as was asked for.",
)


class Faults:
    """The active faults."""

    def __init__(self):
        self.refuses = False
        self.sends_per_second = None
        self.throttled_percent = 0
        self._turn = asyncio.Lock()

    def set(self, order):
        """Applies an order; raises a ValueError that says what is wrong with it."""
        if not isinstance(order, dict) or set(order) - {"sqs", "dynamodb"}:
            raise ValueError("sqs or dynamodb is wanted")
        if "sqs" in order:
            refuses, rate = order["sqs"] == "refuse", None
            if isinstance(order["sqs"], dict):
                rate = float(order["sqs"]["slow"])
                if rate <= 0:
                    raise ValueError("messages a second, over 0")
            elif not refuses and order["sqs"] != "none":
                raise ValueError("none, refuse or slow")
            self.refuses, self.sends_per_second = refuses, rate
        if "dynamodb" in order:
            percent = 0 if order["dynamodb"] == "none" else float(order["dynamodb"]["throttle"])
            if not 0 <= percent <= 100:
                raise ValueError("a percentage")
            self.throttled_percent = percent

    async def wait_turn(self, messages, is_gone):
        """Waits for a send's turn; False if it must not proceed. A send whose client has disconnected takes no turn."""
        async with self._turn:
            if self.sends_per_second is None:
                return True
            if is_gone():
                return False
            await asyncio.sleep(messages / self.sends_per_second)
            return True


def wrap(application, serve):
    """Wraps the application with the faults. Requests that name an action go to `serve`."""
    faults = Faults()

    async def with_faults(scope, receive, send):
        if scope["type"] == "http" and scope["path"] == PATH:
            await switch(faults, receive, send)
            return
        target = target_of(scope)
        if not target:
            await application(scope, receive, send)
            return
        body = await body_of(receive)
        if faults.refuses and target.startswith("AmazonSQS."):
            await answer(send, *UNAVAILABLE)
        elif target.startswith("DynamoDB_") and random.uniform(0, 100) < faults.throttled_percent:
            await answer(send, *THROTTLED)
        elif target not in SENDS or faults.sends_per_second is None or await waited(faults, body, receive):
            await serve(target, body, scope, receive, send)

    return with_faults


def target_of(scope):
    """The action named in a request's header, as for SQS and DynamoDB."""
    for name, value in scope.get("headers", ()):
        if name == b"x-amz-target":
            return value.decode("latin-1")
    return None


async def switch(faults, receive, send):
    try:
        faults.set(json.loads(await body_of(receive)))
    except (ValueError, KeyError, TypeError) as error:
        await answer(send, 400, "Fault", str(error))
    else:
        await answer(send, 200, "", "")


async def waited(faults, body, receive):
    """Waits for a send's turn; returns False if its client has disconnected."""
    watch = asyncio.ensure_future(receive())
    try:
        return await faults.wait_turn(len(json.loads(body).get("Entries", [None])), watch.done)
    finally:
        watch.cancel()


async def body_of(receive):
    body, more = b"", True
    while more:
        part = await receive()
        body += part.get("body", b"")
        more = part.get("more_body", False)
    return body


async def answer(send, status, kind, text):
    body = json.dumps({"__type": kind, "message": text}).encode() if kind else b"{}"
    headers = [(b"content-type", JSON), (b"content-length", str(len(body)).encode())]
    if kind:
        headers.append((b"x-amzn-errortype", kind.encode()))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
