"""Who is who, where each is reached, and which agent is meant where: the owner's `people.toml`.

An identity is what a channel or trigger knows somebody by: a login, a Slack id, an address.
Somebody who is not in the file is called `kind:identity`, such as `cli:ana`.
"""

import getpass
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ..files import add_path
from ..log.errors import Misconfigured
from ..log.state import is_person
from ..settings import optional

RESERVED = ("anyone", "owner")
"""What an audience may name besides people and teams."""


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


def choose_agent(kind: str, places: Iterable[str]) -> str:
    """Return the agent that is meant at the first of `places` that has one; "" for the default.

    A place is what a trigger knows: a Slack channel, the address that a mail was sent to.
    """
    agents = _read_tables().agents
    meant = {place: name for name, known in agents.items() for place in known.get(kind, ())}
    return next((meant[place] for place in places if place in meant), "")


class PeopleFile:
    """Knows everybody of `people.toml`, its teams, and whoever has a token of the API.

    A name such as `slack:U1` or `hook:builds` is somebody whom only that channel or trigger knows.
    """

    def find_members(self, name: str) -> tuple[str, ...]:
        tables = _read_tables()
        if name in tables.teams:
            return tuple(tables.teams[name])
        return (name,) if _is_known(tables, name) else ()

    def find_teams(self, person: str) -> tuple[str, ...]:
        teams = _read_tables().teams
        return tuple(name for name, members in teams.items() if person in members)

    def is_admin(self, person: str) -> bool:
        return person in _read_tables().admins


class AnyName:
    """Knows everybody and no team, where nobody is to be refused: in a demo, in a test."""

    def find_members(self, name: str) -> tuple[str, ...]:
        return (name,)

    def find_teams(self, _: str) -> tuple[str, ...]:
        return ()

    def is_admin(self, _: str) -> bool:
        return True


def check_agents(agents: Iterable[str]) -> None:
    """Raise Misconfigured if the file has a table for an agent that is not one of `agents`."""
    known = list(agents)
    for name in _read_tables().agents:
        if name not in known:
            where = f"{str(_locate_file())!r}, [agents.{name}]"
            raise Misconfigured(f"{where}: app.py has no agent {name!r}, only {', '.join(known)}")


Identities = dict[str, dict[str, list[str]]]
"""By name, then by kind."""


@dataclass(frozen=True)
class _Tables:
    people: Identities
    agents: Identities
    teams: dict[str, list[str]]
    admins: frozenset[str]


def _read_people() -> Identities:
    return _read_tables().people


def _locate_file() -> Path:
    return Path(optional("PEOPLE_FILE", "people.toml"))


def _read_tables() -> _Tables:
    """Return the people, agents and teams of the file."""
    path = _locate_file()
    try:
        people = tomllib.loads(path.read_text("utf-8")) if path.exists() else {}
        agents, teams = people.pop("agents", {}), people.pop("teams", {})
        admins = frozenset(name for name, kinds in people.items() if _pop_admin(name, kinds))
        tables = _Tables(_read_kinds(people), _read_kinds(agents), _read_teams(teams), admins)
    except tomllib.TOMLDecodeError as error:
        raise add_path(Misconfigured(f"people.toml is not valid TOML: {error}"), path) from None
    except (OSError, ValueError, TypeError, AttributeError, RecursionError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise add_path(Misconfigured(f"people.toml does not say who is who: {why}"), path) from None
    if wrong := next(_list_wrong_names(tables), ""):
        raise add_path(Misconfigured(f"people.toml, {wrong}"), path)
    return tables


def _list_wrong_names(tables: _Tables) -> Iterator[str]:
    for name in tables.people:
        if name in RESERVED or not is_person(name):
            yield f"[{name}]: this name is reserved"
    for name, members in tables.teams.items():
        if name in tables.people or name in RESERVED:
            yield f"[teams]: {name!r} is the name of something else"
        for member in members:
            if not _is_known(tables, member):
                yield f"[teams]: {member!r} of {name!r} is not a person of this file"


def _is_known(tables: _Tables, name: str) -> bool:
    tokens = (given.partition(":")[0].strip() for given in optional("API_TOKENS").split(","))
    return name in tables.people or name in tokens or all(name.partition(":"))


def _pop_admin(name: str, kinds: dict[str, object]) -> bool:
    admin = kinds.pop("admin", False)
    if not isinstance(admin, bool):
        raise ValueError(f"[{name}]: admin is true or false, not {admin!r}")
    return admin


def _read_teams(teams: dict[str, object]) -> dict[str, list[str]]:
    return {name: _as_texts(members) for name, members in teams.items()}


def _read_kinds(tables: dict[str, dict[str, object]]) -> Identities:
    return {
        name: {kind: _as_texts(known) for kind, known in kinds.items()}
        for name, kinds in tables.items()
    }


def _as_texts(known: object) -> list[str]:
    return [str(one) for one in known] if isinstance(known, list) else [str(known)]
