"""Where settings come from: the environment, and a `.env` beside the project.

Each adapter reads its own variables in its `from_env`; nothing is read on import.
"""

import getpass
import os
import tomllib
from pathlib import Path

from dotenv import load_dotenv

from .errors import Misconfigured


def load() -> None:
    """Read `.env` of the working directory; what the environment has already wins."""
    load_dotenv(Path.cwd() / ".env")


def optional(name: str, default: str = "") -> str:
    return os.environ.get(name, "").strip() or default


def required(name: str, hint: str) -> str:
    """Return a variable that has no sensible default.

    Raises:
        Misconfigured: it is not set; the message names it and gives `hint`.
    """
    if value := optional(name):
        return value
    raise Misconfigured(f"{name} is not set. {hint}")


def local_user() -> str:
    """Return the actor at this terminal: a name of `people.toml`, else `cli:<login>`."""
    try:
        return name_of("cli", optional("AGENT_USER") or getpass.getuser())
    except (KeyError, OSError):
        raise Misconfigured("nobody knows this user; set AGENT_USER to a name") from None


def name_of(kind: str, identity: str) -> str:
    """Return the name that `people.toml` gives to an identity, else `kind:identity`."""
    path = Path(optional("PEOPLE_FILE", "people.toml"))
    try:
        people = tomllib.loads(path.read_text("utf-8")) if path.exists() else {}
        for name, identities in people.items():
            known = identities.get(kind)
            if identity in (known if isinstance(known, list) else [known]):
                return name
    except tomllib.TOMLDecodeError as error:
        raise Misconfigured(f"{str(path)!r} is not valid TOML: {error}") from None
    except (OSError, ValueError, AttributeError) as error:
        raise Misconfigured(f"{str(path)!r} does not say who is who: {error}") from None
    return f"{kind}:{identity}"
