"""Webhooks of other systems, each with its own kind of signature, made when it is sent."""

import hmac
import json
from base64 import b64encode
from collections.abc import Callable
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from standardwebhooks import Webhook

KEY = bytes(range(32))
SECRET = f"whsec_{b64encode(KEY).decode()}"
GITHUB_SECRET = "It's a Secret to Everybody"
"""From GitHub's own example."""

Request = Callable[[], tuple[bytes, dict[str, str]]]
"""Makes a body and its headers."""


def sign_standard(
    payload: Any, message_id: str = "msg_1", *, key: bytes = KEY, age_s: float = 0
) -> Request:
    """Sign as https://www.standardwebhooks.com says; bytes are sent unchanged."""
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()

    def sign() -> tuple[bytes, dict[str, str]]:
        at = datetime.fromtimestamp(datetime.now(UTC).timestamp() - age_s, UTC)
        return body, {
            "content-type": "application/json",
            "webhook-id": message_id,
            "webhook-timestamp": str(int(at.timestamp())),
            "webhook-signature": Webhook(key).sign(message_id, at, body.decode()),
        }

    return sign


def sign_github(
    payload: Any, delivery: str = "d1", *, secret: str = GITHUB_SECRET, event: str = "issues"
) -> Request:
    """Sign as GitHub does."""
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    signature = hmac.new(secret.encode(), body, sha256).hexdigest()
    return lambda: (
        body,
        {
            "content-type": "application/json",
            "x-github-event": event,
            "x-github-delivery": delivery,
            "x-hub-signature-256": f"sha256={signature}",
        },
    )


def change(request: Request, body: bytes | None = None, **headers: str | None) -> Request:
    """Change a request after it was signed; `webhook_id=None` leaves the header out."""
    changed = {name.replace("_", "-"): value for name, value in headers.items()}

    def forge() -> tuple[bytes, dict[str, str]]:
        signed, said = request()
        kept = {name: value for name, value in (said | changed).items() if value is not None}
        return signed if body is None else body, kept

    return forge
