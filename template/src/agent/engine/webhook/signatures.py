"""Who sent a webhook, and which one it is: both are said by what is signed, and by nothing else."""

import hmac
from collections.abc import Mapping, Sequence
from hashlib import sha256

from fastapi import HTTPException
from standardwebhooks import Webhook, WebhookVerificationError

from .sources import Scheme

MAX_ID = 255


def delivery(
    scheme: Scheme, secrets: Sequence[bytes], headers: Mapping[str, str], body: bytes
) -> str:
    """Return what names a delivery, however often it arrives.

    Raises:
        HTTPException: nobody who has one of the secrets signed it, or not in the last five minutes.
    """
    why = ""
    for secret in secrets:
        try:
            return _SCHEMES[scheme](secret, headers, body)
        except WebhookVerificationError as error:
            why = str(error).lower()
        except ValueError:
            why = "it cannot be read"
    known = {"WWW-Authenticate": "Signature"}
    raise HTTPException(401, f"this is not signed as it has to be: {why}", known)


def _standard(secret: bytes, headers: Mapping[str, str], body: bytes) -> str:
    """https://www.standardwebhooks.com: signs the id, the time and the body."""
    Webhook(secret).verify(body, dict(headers), json_parse=False)
    if len(headers["webhook-id"]) > MAX_ID:
        raise HTTPException(400, f"the webhook-id has more than {MAX_ID} characters")
    return headers["webhook-id"]


def _github(secret: bytes, headers: Mapping[str, str], body: bytes) -> str:
    """https://docs.github.com/webhooks: signs the body alone.

    So the body names the delivery, not `X-GitHub-Delivery`: with another one a body that somebody
    caught could be sent again. GitHub's own redelivery has the same body.
    """
    signature = f"sha256={hmac.new(secret, body, sha256).hexdigest()}"
    given = headers.get("x-hub-signature-256", "")
    if not hmac.compare_digest(signature.encode(), given.encode("latin-1")):
        why = "no matching signature found" if given else "missing required headers"
        raise WebhookVerificationError(why)
    return sha256(body).hexdigest()


_SCHEMES = {"standard": _standard, "github": _github}
