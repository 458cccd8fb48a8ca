"""Bring an agent into a project that was there before: the whole of it, or nothing at all.

No file that exists is touched. What belongs to the project is left out, and an answer records
that, so that no update brings it either.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import catalog, engine, git, obstacles, origin, project, publish, source, temporary
from .change import Change, Draft
from .changelog import News
from .errors import UsageError
from .handing import alone
from .host import facts, needs
from .host.alone import Alone
from .host.facts import Host
from .host.lines import Lines
from .merge import Merged
from .project import ANSWERS
from .rendering import files
from .store import File, Store, Tree, entries


@dataclass(frozen=True)
class Plan:
    """What would be brought into a project."""

    host: Host
    answers: Mapping[str, Any]
    files: Mapping[str, File]
    host_files: tuple[str, ...]
    """The project has these where the agent would: left out from now on."""
    alone: Alone
    """The same agent in a repository of its own."""
    commit: str
    note: str
    """What its owner should know of where it comes from."""

    def lines(self) -> list[Lines]:
        """Return what belongs in files of the project, as they are now."""
        return needs.missing(facts.read(self.host.path), self.alone)

    def lacks_requirements(self) -> bool:
        """Return whether the project, as it is now, has to require something."""
        return needs.lacks_requirements(facts.read(self.host.path), self.alone)


def plan(folder: Path, given: Mapping[str, Any], *, ask: bool) -> Plan:
    """Work out what would be brought into the project in `folder`; changes nothing.

    Raises: UserError where something is in the way: all of that at once.
    """
    host = facts.read(folder)
    committed = _check_ready(host)
    here = origin.here()
    with origin.template(here) as template:

        def render(answers: Mapping[str, Any], *, ask: bool = False) -> dict[str, File]:
            with temporary.folder() as place:
                engine.render(template, place, answers, ask=ask)
                engine.stamp(place, here.url, here.ref)
                return files(place)

        smallest = {**catalog.minimal(), **_named_like(host), **given}
        rendered = render({**smallest, "adopted": True}, ask=ask)
        answers = _answers(rendered, host)
        own = Alone(render(alone(answers)))
        host_files = obstacles.left_out(host, committed, rendered, own)
        if host_files:
            rendered = render({**answers, "host_files": [*host_files]})
    return Plan(host, _answers(rendered, host), rendered, host_files, own, here.ref, here.note)


def carry_out(plan: Plan) -> None:
    """Bring in what was planned.

    Raises: UserError, and the project is as it was.
    """
    path, names = plan.host.path, tuple(sorted(plan.files))
    with temporary.folder() as folder:
        store = Store.beside(folder / "store.git", path)
        merged = Merged(store.add(plan.files), (), (), (), (), (), {})
        change = Change(
            "", plan.commit, plan.answers, names, (), (), (), {}, (), News((), ()), (), ""
        )
        publish.publish(path, Draft(change, store, _committed(path), merged, {}, plan.files))


def _check_ready(host: Host) -> Tree:
    """Refuse a project that has an agent, and one from which it could not be taken back.

    Returns: its last commit.
    """
    if os.path.lexists(host.path / ANSWERS):
        raise _answered(host.path)
    git.check_installed()
    if git.run(host.path, "rev-parse", "--verify", "HEAD").returncode:
        commit = "git init && git add --all && git commit --message 'Before the agent'"
        problem = f"{host.path} is not in a git repository with a commit to return to."
        raise UsageError(problem, f"Run: {commit}")
    publish.check_whole(host.path)
    return _committed(host.path)


def _answered(path: Path) -> UsageError:
    """Say what an answers file in the project means."""
    try:
        project.at(path)
    except UsageError:
        problem = f"{path / ANSWERS} is there: the project was made from another template."
        hint = "Adopt in a folder of its own, such as a package beside this one."
        return UsageError(problem, hint)
    return UsageError(f"{path} has an agent.", f"Its newest version: {source.NAME} update")


def _committed(path: Path) -> Tree:
    return entries(git.names(path, "ls-tree", "-r", "-z", "HEAD"))


def _named_like(host: Host) -> dict[str, str]:
    """Return what the project calls itself, as far as it says so in one line."""
    found = {
        "project_name": host.project.get("name"), "description": host.project.get("description"),
    }  # fmt: skip
    said = {name: text.strip() for name, text in found.items() if isinstance(text, str)}
    return {name: text for name, text in said.items() if text and text.isprintable()}


def _answers(rendered: Mapping[str, File], host: Host) -> dict[str, Any]:
    return dict(project.parse(rendered[ANSWERS].held, host.path).answers)
