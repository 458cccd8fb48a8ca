"""What the project's build needs so that it takes in `src/agent`.

Each build backend chooses packages in its own way.
"""

from collections.abc import Mapping
from typing import Any

from . import hatch, poetry, setuptools, uv
from .facts import PYPROJECT, Host
from .lines import END, Lines, assigned
from .packages import AGENT

_KNOWN = {
    "hatchling": hatch.including,
    "poetry": poetry.including,
    "setuptools": setuptools.including,
    "uv_build": uv.including,
}


def including(host: Host, ours: Mapping[str, Any]) -> Lines | None:
    """Return what makes `agent` importable; None where it is. `ours` is a pyproject.toml that does.

    A build backend that is not known gets words.
    """
    given = str(host.table("build-system").get("build-backend", ""))
    is_left_out = not given and host.tool == "pip" and host.table("project")
    backend = "setuptools" if is_left_out else given.partition(".")[0]
    if backend in _KNOWN:
        return _KNOWN[backend](host)
    if backend:
        words = f"Add the package {AGENT} there."
        return Lines(PYPROJECT, f"the settings of {backend}", (), words)
    return _with_ours(host, ours)


def _with_ours(host: Host, ours: Mapping[str, Any]) -> Lines:
    """Make a package of a project that builds none: of the agent, and of nothing else."""
    lines: list[str] = []
    if not host.table("project"):
        names = ("name", "version", "requires-python")
        lines += ["[project]", *(assigned(name, ours["project"][name]) for name in names), ""]
    system = ours["build-system"]
    lines += ["[build-system]", *(assigned(name, value) for name, value in system.items()), ""]
    module = ours["tool"]["uv"]["build-backend"]["module-name"]
    lines += ["[tool.uv.build-backend]", assigned("module-name", module)]
    why = "So that `agent` is installed. Your own modules stay as they are, and are not installed."
    return Lines(PYPROJECT, END, tuple(lines), why)
