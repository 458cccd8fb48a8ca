"""Who may call, `API_TOKENS="ana:<token>,crm:<token>"`.

The name is the actor, as `people.toml` and `approvers=` have it; one name may have several
tokens, so that they can be changed without a gap.
"""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from hmac import compare_digest
from itertools import pairwise
from typing import Self

from fastapi.security import HTTPBearer

from ..log.errors import Misconfigured
from ..log.state import is_person
from ..loop.ports import Directory
from ..people.identity import RESERVED
from ..settings import is_placeholder, required

MIN_LENGTH = 32
"""Characters of a token."""
MIN_BYTES = 20
"""Minimum size of a token after compression, so that repetitions do not count."""
_GUESSED = ("letmein", "qwert", "asdf", "admin", "token", "http", "agent")
_HINT = "Make a token with `openssl rand -hex 32` and set API_TOKENS=<your name>:<the token>."


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
            if problem := _find_problem(name, token):
                raise Misconfigured(f"API_TOKENS, entry {place}: {problem}. {_HINT}")
            if names.setdefault(hash_token(token), name) != name:
                raise Misconfigured(f"API_TOKENS, entry {place}: another name has this token")
        if not names:
            raise Misconfigured(f"API_TOKENS holds no token. {_HINT}")
        return cls(names)

    def check_names(self, directory: Directory) -> None:
        """Raise Misconfigured if a token is for a team."""
        for name in self.names.values():
            if is_team(directory, name):
                raise Misconfigured(f"API_TOKENS: {name!r} is a team; a token is for one person")

    def find_name(self, token: str) -> str | None:
        """Return whose token it is, in a time that says nothing about the others."""
        given, found = hash_token(token), None
        for known, name in self.names.items():
            if compare_digest(known, given):
                found = name
        return found


bearer = HTTPBearer(auto_error=False, description="A token of API_TOKENS; it names the actor.")


def hash_token(token: str) -> bytes:
    """Return the hash by which this server knows a token."""
    return sha256(token.encode()).digest()


def is_reserved(name: str) -> bool:
    """Say whether the log uses a name for an audience or a machine."""
    return name in RESERVED or not is_person(name)


def is_team(directory: Directory, name: str) -> bool:
    """Say whether a name would be read as each member of a team."""
    return directory.find_members(name) not in ((), (name,))


def check_token(setting: str, token: str) -> None:
    """Raise Misconfigured if a token in a setting of its own could be guessed."""
    if problem := _find_problem(setting, token):
        raise Misconfigured(f"{setting}: {problem}. Make one with `openssl rand -hex 32`.")


def _find_problem(name: str, token: str) -> str:
    if not (name and token):
        return "it is not name:token"
    if is_reserved(name):
        return f"{name!r} is a reserved name"
    if is_placeholder(token):
        return f"the token of {name!r} is a placeholder"
    weak = _count_bytes(token) < MIN_BYTES or _is_row(token)
    weak = weak or any(word in token.lower() for word in _GUESSED)
    if weak or len(token) < MIN_LENGTH:
        return f"the token of {name!r} is too easy to guess; use 32 random characters or more"
    return ""


def _is_row(token: str) -> bool:
    """Say whether at least half of the characters follow their neighbour, as in `abc` and `321`."""
    near = sum(abs(ord(one) - ord(other)) <= 1 for one, other in pairwise(token))
    return near * 2 >= len(token)


def _count_bytes(token: str) -> int:
    """Return the size of a token after compression, in bytes."""
    packer = zlib.compressobj(9, wbits=-15)
    return len(packer.compress(token.encode()) + packer.flush())
