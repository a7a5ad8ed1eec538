"""A back end that makes the room of a case and posts into it: a user of its own, whose token it signs.

The token has the scope `rts:service`: in production only such a token makes the rooms of cases, and members (MEMBERS, with commas) are users who have
connected once.

Reads RTS_URL, and the secret, issuer and audience of tokens (`cargo local status --json` has those of the local cluster). Behind an identity provider with
a key set, ask that for a token of a service account instead: a deployment has one source of keys.
"""

import base64
import hashlib
import hmac
import json
import os
import pathlib
import sys
import time
import uuid

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "python"))
from raw import Connection  # noqa: E402


def token(user, org, name, seconds=300):
    """Signs a token (HS256)."""
    encode = lambda part: base64.urlsafe_b64encode(part).rstrip(b"=").decode()  # noqa: E731
    now = int(time.time())
    claims = {"iss": os.environ["RTS_JWT_ISSUER"], "aud": os.environ["RTS_JWT_AUDIENCE"], "sub": user, "org": org, "name": name,
              "scope": "rts:service", "iat": now, "exp": now + seconds}
    signed = ".".join(encode(json.dumps(part).encode()) for part in ({"alg": "HS256", "typ": "JWT"}, claims))
    mac = hmac.new(os.environ["RTS_JWT_SECRET"].encode(), signed.encode(), hashlib.sha256)
    return f"{signed}.{encode(mac.digest())}"


def main():
    case = os.environ.get("CASE", uuid.uuid4().hex[:8])
    service = Connection(os.environ.get("RTS_URL", "http://127.0.0.1:8080"), token("case-service", "acme", "Cases"), lambda *_: None)
    members = os.environ.get("MEMBERS", "ann,bob").split(",")
    request = {"kind": "group", "memberIds": members, "name": f"Case {case}", "caseId": case}
    # Asked for again, it is the same room; a message with the same clientId is the same message.
    rooms = {service.call("CreateRoom", request)["room"]["roomId"] for _ in range(2)}
    assert len(rooms) == 1
    sent = [service.call("SendMessage", {"roomId": room, "clientId": f"opened-{case}", "body": f"Case {case} was opened."})
            for room in rooms for _ in range(2)]
    assert sent[0]["seq"] == sent[1]["seq"] and sent[1]["duplicate"]
    print("the room of case", case, "is", *rooms)
    service.close()


if __name__ == "__main__":
    main()
