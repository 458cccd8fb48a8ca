"""What a change of the agent hands over to the owner of the project that it is a part of.

Only its owner changes files of the project. What belongs in them is printed line by line.
"""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .history import History
from .host import facts, needs
from .host.alone import Alone
from .host.lines import Lines
from .host.sections import SETTINGS, tests
from .project import Project
from .rendering import render

CODE = ("src/", "tests/", "evals/", SETTINGS)
"""How names begin of what is never left out: without it the agent would not run."""


@dataclass(frozen=True)
class Handover:
    """What is left to the owner of a project."""

    came: tuple[Lines, ...]
    """For files of the project."""
    went: tuple[Lines, ...]
    """What these files no longer need."""
    left_out: tuple[str, ...]
    """The project has these where new files of the agent would go: left out, from now on."""
    tests: str
    """The command that runs the agent's tests."""


def is_adopted(answers: Mapping[str, Any]) -> bool:
    """Return whether the agent was brought into a project that was there before."""
    return bool(answers.get("adopted"))


def alone(answers: Mapping[str, Any]) -> dict[str, Any]:
    """Return the answers of the same agent in a repository of its own."""
    return {**answers, "adopted": False, "host_files": []}


def left_out(path: Path, names: Iterable[str]) -> tuple[str, ...]:
    """Return which pages and data files the project has; code is merged as ever."""
    return tuple(
        sorted(name for name in names if not name.startswith(CODE) and os.path.lexists(path / name))
    )


def over(
    owned: Project, history: History, wanted: Mapping[str, Any], left_out: tuple[str, ...]
) -> Handover:
    """Return what a change to the answers `wanted` and to the newer state leaves to the owner.

    Raises: UsageError where the project's pyproject.toml cannot be read.
    """
    host = facts.read(owned.path)
    old, new = at_first(history, owned.answers), Alone(render(history.new, alone(wanted)))
    came, went = needs.changed(host, old, new)
    return Handover(tuple(came), tuple(went), left_out, tests(host))


def at_first(history: History, answers: Mapping[str, Any]) -> Alone:
    """Return what a repository of the agent alone would have, at the older state."""
    return Alone(render(history.old, alone(answers)))
