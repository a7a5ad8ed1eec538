"""Sends a request straight to its service if one like it was allowed recently.

By default each request is matched against every service, and its caller, role and policies are looked up
again: half of the cost of a stored message. Here that is done for the first request of a caller, an action
and a table or queue, and again after a few seconds, so that the limits of a role still apply.
"""

import base64
import json
import os
import time
import uuid

from ministack.core.responses import get_account_id, get_region, set_request_account_id, set_request_region
from ministack.services import dynamodb, sqs

# Actions, and the field that names their table or queue. The template's policies look at no other field
# of these requests.
ACTIONS = {
    **{
        f"DynamoDB_20120810.{action}": (dynamodb, "TableName")
        for action in ("GetItem", "PutItem", "UpdateItem", "DeleteItem", "Query")
    },
    **{
        f"AmazonSQS.{action}": (sqs, "QueueUrl")
        for action in ("SendMessage", "SendMessageBatch", "GetQueueAttributes")
    },
}
SECONDS = 5


def wrap(application):
    """Wraps the application with the shortcut, for requests that name an action and whose body has been read."""
    allowed = {}

    async def with_shortcut(target, body, scope, receive, send):
        service, field = ACTIONS.get(target, (None, None))
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        # "AWS4-HMAC-SHA256 Credential=KEY/DATE/REGION/SERVICE/aws4_request, …"
        credential = headers.get("authorization", "").partition(",")[0]
        about = subject(body, field) if service and credential else None
        if about is None:
            await application(scope, whole(body, receive), send)
            return
        key = (credential, target, about)
        until, account, region = allowed.get(key, (0, None, None))
        if until > time.monotonic():
            set_request_account_id(account)
            set_request_region(region)
            await answer(send, *await service.handle_request("POST", "/", headers, body, {}))
            return
        statuses = []

        async def noting(message):
            statuses.append(message.get("status"))
            await send(message)

        await application(scope, whole(body, receive), noting)
        if statuses and statuses[0] == 200:
            # The application has set the account and the region of the request.
            allowed[key] = (time.monotonic() + SECONDS, get_account_id(), get_region())

    return with_shortcut


def subject(body, field):
    """The table or queue that a request is about; None if unknown."""
    try:
        about = json.loads(body).get(field)
    except (ValueError, AttributeError):
        return None
    return about if isinstance(about, str) else None


def whole(body, receive):
    """Lets an application receive a body that has been read already."""
    parts = [{"type": "http.request", "body": body, "more_body": False}]

    async def again():
        return parts.pop() if parts else await receive()

    return again


async def answer(send, status, headers, body):
    request = str(uuid.uuid4())
    headers = {
        **headers,
        "Content-Type": "application/x-amz-json-1.0",
        "x-amzn-requestid": request,
        "x-amz-request-id": request,
        "x-amz-id-2": base64.b64encode(os.urandom(48)).decode(),
    }
    body = body if isinstance(body, bytes) else body.encode()
    encoded = [(name.lower().encode("latin-1"), str(value).encode("latin-1")) for name, value in headers.items()]
    encoded.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": status, "headers": encoded})
    await send({"type": "http.response.body", "body": body})
