"""The secrets that sign webhooks, in both directions. They are in the environment."""

from base64 import b64decode
from typing import Literal

from ..log.errors import Misconfigured
from ..settings import required

Scheme = Literal["standard", "github"]

MIN_SECRET = 16
"""Bytes."""
_PREFIX = "whsec_"
_HOW = {
    "standard": "whsec_ and what `openssl rand -base64 32` prints.",
    "github": "what `openssl rand -hex 32` prints.",
}


def read_secrets(variable: str, scheme: Scheme = "standard") -> list[bytes]:
    """Return the secrets in a variable: several while one replaces another.

    Raises:
        Misconfigured: there is none, or one that is easy to guess; the message never shows it.
    """
    hint = f"Use the sender's, or make one: {_HOW[scheme]}"
    found = [one.strip() for one in required(variable, hint).split(",")]
    try:
        keys = [one.encode() if scheme == "github" else _decode(one) for one in found]
    except ValueError:
        raise Misconfigured(f"{variable} is not {_PREFIX}<base64>. {hint}") from None
    if any(len(key) < MIN_SECRET for key in keys):
        raise Misconfigured(f"{variable} has a secret of fewer than {MIN_SECRET} bytes. {hint}")
    if any("<" in one for one in found):
        raise Misconfigured(f"{variable} is a placeholder. {hint}")
    return keys


def _decode(secret: str) -> bytes:
    text = secret.removeprefix(_PREFIX)
    return b64decode(text + "=" * (-len(text) % 4), validate=True)
