"""Who may call: `API_TOKENS="ana:<token>,crm:<token>"`.

The name is the actor, as `people.toml` and `approvers=` have it; one name may have several
tokens, so that they can be changed without a gap.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from hmac import compare_digest
from typing import Self

from ...errors import Misconfigured
from ...settings import required
from ...state import is_person

MIN_LENGTH = 16
_HINT = "Make a token with `openssl rand -hex 32` and set API_TOKENS=<your name>:<the token>."
_PLACEHOLDERS = ("<", ">", " ", "change", "example", "placeholder", "password", "secret", "your")
_WORDS = ("anyone", "owner")
"""Who an audience may name without naming somebody."""


@dataclass(frozen=True)
class Tokens:
    names: Mapping[bytes, str]
    """The actor by the SHA-256 of the token."""

    @classmethod
    def from_env(cls) -> Self:
        return cls.parse(required("API_TOKENS", _HINT))

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `name:token,name:token`.

        Raises:
            Misconfigured: there is none, or one that could be guessed; it is never shown.
        """
        names: dict[bytes, str] = {}
        for place, entry in enumerate(filter(None, map(str.strip, text.split(","))), 1):
            name, _, token = (part.strip() for part in entry.partition(":"))
            if problem := _problem(name, token):
                raise Misconfigured(f"API_TOKENS, entry {place}: {problem}. {_HINT}")
            if names.setdefault(_hash(token), name) != name:
                raise Misconfigured(f"API_TOKENS, entry {place}: another name has this token")
        if not names:
            raise Misconfigured(f"API_TOKENS holds no token. {_HINT}")
        return cls(names)

    def name(self, token: str) -> str | None:
        """Return whose token it is, in a time that says nothing about the others."""
        given, found = _hash(token), None
        for known, name in self.names.items():
            if compare_digest(known, given):
                found = name
        return found


def _hash(token: str) -> bytes:
    return sha256(token.encode()).digest()


def _problem(name: str, token: str) -> str:
    if not (name and token):
        return "it is not name:token"
    if name in _WORDS or not is_person(name):
        return f"{name!r} is a word of the log and names nobody"
    if any(sign in token.lower() for sign in _PLACEHOLDERS):
        return f"the token of {name!r} is a placeholder"
    if len(token) < MIN_LENGTH or len(set(token)) < MIN_LENGTH // 4:
        return f"the token of {name!r} is too easy to guess; {MIN_LENGTH} random characters or more"
    return ""
