"""Who is who, and where each is reached: `people.toml`, the owner's file.

An identity is what a channel or trigger knows somebody by: a login, a Slack id, an address.
Somebody who is not in the file is called `kind:identity`, such as `cli:ana`.
"""

import getpass
import tomllib
from collections.abc import Iterable
from pathlib import Path

from ..log.errors import Misconfigured
from ..settings import optional


def find_local_user() -> str:
    """Return the actor at this terminal: a name of `people.toml`, else `cli:<login>`."""
    try:
        return resolve_person("cli", optional("AGENT_USER") or getpass.getuser())
    except (KeyError, OSError):
        raise Misconfigured("this user has no login name; set AGENT_USER to one") from None


def resolve_person(kind: str, identity: str) -> str:
    """Return the name that `people.toml` gives to an identity, else `kind:identity`."""
    for name, identities in _read_people().items():
        if identity in identities.get(kind, ()):
            return name
    return f"{kind}:{identity}"


def find_identities(name: str, kind: str) -> list[str]:
    """Return what a channel knows somebody by; nothing if it does not know them."""
    people = _read_people()
    if name in people:
        return people[name].get(kind, [])
    own, _, identity = name.partition(":")
    return [identity] if own == kind and identity else []


def find_channels(name: str, channels: Iterable[str]) -> list[str]:
    """Return those of `channels` that reach somebody, in the order of `people.toml`."""
    kinds = list(_read_people().get(name, ())) or [name.partition(":")[0]]
    return [kind for kind in kinds if kind in channels and find_identities(name, kind)]


def has_identities(kind: str) -> bool:
    """Say whether `people.toml` has an identity of this kind."""
    return any(known.get(kind) for known in _read_people().values())


def _read_people() -> dict[str, dict[str, list[str]]]:
    path = Path(optional("PEOPLE_FILE", "people.toml"))
    try:
        people = tomllib.loads(path.read_text("utf-8")) if path.exists() else {}
        return {
            name: {kind: _as_texts(known) for kind, known in identities.items()}
            for name, identities in people.items()
        }
    except tomllib.TOMLDecodeError as error:
        raise Misconfigured(f"{str(path)!r} is not valid TOML: {error}") from None
    except (OSError, ValueError, AttributeError) as error:
        raise Misconfigured(f"{str(path)!r} does not say who is who: {error}") from None


def _as_texts(known: object) -> list[str]:
    return [str(one) for one in known] if isinstance(known, list) else [str(known)]
