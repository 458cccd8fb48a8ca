"""What is in the way of an agent that is to be brought into a project: all of it at once.

Code is never left out and never overwritten. A page or a data file of the project stays in the
place of the agent's.
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath

from .errors import UsageError
from .handing import CODE
from .host.alone import Alone
from .host.facts import PYPROJECT, Host
from .host.needs import older_python
from .host.packages import module, packages
from .store import Tree

_TESTS = ("tests/", "evals/")


def left_out(host: Host, committed: Tree, names: Iterable[str], alone: Alone) -> tuple[str, ...]:
    """Return which files to leave out, because the project has them.

    Raises: UsageError where code is in the way.
    """
    names = sorted(names)
    there = {name: place for name in names if (place := _taken(host.path, committed, name))}
    own = tuple(name for name in there if not name.startswith(CODE))
    problems = {there[name]: "the agent has one of that name" for name in there if name not in own}
    problems |= dict(_packages(host)) | dict(_tests(host, names))
    if limit := older_python(host, alone):
        problems[PYPROJECT] = f"it allows a Python that is too old; write: {limit}"
    if problems:
        raise _refused(problems, own)
    return own


def _refused(problems: Mapping[str, str], own: Iterable[str]) -> UsageError:
    lines = [f"{place}: {why}" for place, why in sorted(problems.items())]
    lines += [f"{name}: yours would stay, and the agent's be left out" for name in own]
    head = "Nothing was changed, because this is in the way:"
    problem = lines[0] if len(lines) == 1 else "\n  ".join([head, *lines])
    return UsageError(problem, "Change that, then try again: code of yours is never overwritten.")


def _taken(folder: Path, committed: Tree, name: str) -> str:
    """Return what is in the way of a file: one of its name, or one in the place of its folder."""
    for place in [str(one) for one in reversed(PurePosixPath(name).parents[:-1])]:
        path = folder / place
        if path.is_symlink() or (path.exists() and not path.is_dir()):
            return place
    return name if name in committed or os.path.lexists(folder / name) else ""


def _packages(host: Host) -> Iterator[tuple[str, str]]:
    """Give what is called `agent` and can be imported."""
    for root in ("", "src/"):
        place, package = f"{root}agent.py", f"{root}agent"
        if (host.path / place).is_file():
            yield place, "the agent is imported by this name"
        if root and os.path.lexists(host.path / package):
            yield package, "the agent is in this folder"
        elif _has_python(host.path / package):
            yield package, "the agent is imported by this name"


def _tests(host: Host, names: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Give what would be tested otherwise than before."""
    folders = {name.removesuffix("/__init__.py") for name in names if name.endswith("/__init__.py")}
    for folder in sorted(one for one in folders if f"{one}/".startswith(_TESTS)):
        if _has_python(host.path / folder):
            yield folder, "the agent's tests are in a folder of this name"
        name = folder.removeprefix("tests/")
        own = [path for path in packages(host) if module(path) == name]
        if own and name != folder and not (host.path / "tests/__init__.py").is_file():
            yield own[0], f"your tests would import {folder} by this name; add tests/__init__.py"


def _has_python(folder: Path) -> bool:
    return folder.is_dir() and next(folder.rglob("*.py"), None) is not None
