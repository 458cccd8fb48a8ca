"""setuptools finds packages below the folders that it names, or guesses where they are."""

from collections.abc import Mapping
from fnmatch import fnmatch
from typing import Any

from .facts import PYPROJECT, Host
from .lines import END, Lines, assigned
from .packages import AGENT, module, packages

TABLE = ("tool", "setuptools")
NO_LONGER = (
    "Without these lines setuptools looks for packages in src/ alone as soon as there is "
    "such a folder, and no longer finds yours."
)


def including(host: Host) -> Lines | None:
    """Return what makes it take in the agent; None where it does."""
    if not host.table("project"):
        words = f"Your packages are chosen in setup.py or setup.cfg: add {AGENT} there, as `agent`."
        return Lines(PYPROJECT, "[tool.setuptools]", (), words)
    why = _why(host)
    lines = _finding(host) if why else ()
    if not {"agent", "*"} & {*host.table(*TABLE, "package-data")}:
        # Else a wheel has no prompts: they are no Python.
        lines += ("[tool.setuptools.package-data]", 'agent = ["**/*"]')
    return Lines(PYPROJECT, END, lines, why) if lines else None


def _why(host: Host) -> str:
    """Say why it does not find the agent by itself; empty where it does."""
    given = host.table(*TABLE).get("packages")
    if isinstance(given, dict):
        find = _find(host)
        patterns = find.get("include", ["*"])
        is_found = "src" in find.get("where", ()) and any(fnmatch("agent", one) for one in patterns)
        return "" if is_found else "In place of the table that is there."
    if isinstance(given, list):
        return "In place of `packages`, which would have to name every package of the agent."
    return "" if any(one.startswith("src/") for one in packages(host)) else NO_LONGER


def _finding(host: Host) -> tuple[str, ...]:
    find = _find(host)
    where = find.get("where", ["."])
    own = [module(path) for path in packages(host) if not path.endswith(".py")]
    include = find.get("include", [f"{name}*" for name in own])
    return (
        "[tool.setuptools.packages.find]",
        assigned("where", where if "src" in where else [*where, "src"]),
        assigned("include", [*include, "agent*"]),
        "",
    )


def _find(host: Host) -> Mapping[str, Any]:
    return host.table(*TABLE, "packages", "find")
