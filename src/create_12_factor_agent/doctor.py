"""What keeps a repository from running or changing, found by looking only."""

import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from . import git, handing, history, looking, project, publish, source
from .errors import UsageError, UserError
from .host import facts, needs


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    what: str
    state: Literal["good", "note", "bad"]
    detail: str
    hint: str = ""


def examine(folder: Path) -> list[Finding]:
    """Look at the tools, then at the repository that `folder` is in."""
    found = [_tool("git", "Install it: add, remove and update need it.")]
    uv = _tool("uv", "Install it: pip install uv")
    try:
        owned = project.find(folder)
    except UserError as error:
        return [*found, uv, Finding("repository", "bad", error.problem, error.hint)]
    is_adopted = handing.is_adopted(owned.answers)
    found += [] if is_adopted else [uv]  # such a project has a tool of its own
    found.append(Finding("repository", "good", f"{owned.path}, made from {owned.commit}"))
    if git.installed():
        looks = (_whole, _clean, _merged, _fitting, _current)
        found += [look(owned) for look in looks]
        found += [_handed_over(owned)] if is_adopted else []
    return [*found, *_unset(owned.path)]


def _tool(name: str, hint: str) -> Finding:
    place = shutil.which(name)
    return Finding(name, "good", place) if place else Finding(name, "bad", "not installed", hint)


def _whole(owned: project.Project) -> Finding:
    try:
        publish.check_whole(owned.path)
    except UserError as error:
        return Finding("changes", "bad", error.problem, error.hint)
    return Finding("changes", "good", "none was stopped halfway")


def _clean(owned: project.Project) -> Finding:
    try:
        project.check_clean(owned)
    except UserError as error:
        return Finding("commits", "note", error.problem, error.hint)
    return Finding("commits", "good", "everything is committed")


def _merged(owned: project.Project) -> Finding:
    found = git.run(owned.path, "grep", "-l", "-I", "-E", "^(<{7}|>{7}) ", "--", ".")
    if names := ", ".join(os.fsdecode(found.stdout).split("\n")[:-1]):
        return Finding("merges", "bad", f"Conflict markers in {names}.", "Merge them by hand.")
    return Finding("merges", "good", "no conflict markers")


def _fitting(owned: project.Project) -> Finding:
    try:
        with history.since(owned.src_path, owned.commit, newest=False) as past:
            looking.check(owned, past)
    except UsageError as error:
        return Finding("answers", "bad", error.problem, error.hint)
    except UserError as error:
        return Finding("answers", "note", error.problem, error.hint)
    return Finding("answers", "good", "they go together")


def _current(owned: project.Project) -> Finding:
    try:
        with history.since(owned.src_path, owned.commit, newest=True) as past:
            if not past.moves:
                return Finding("version", "good", "nothing newer is known here")
            return Finding("version", "note", f"{past.after} is newer.", f"{source.NAME} update")
    except UserError as error:
        return Finding("version", "note", error.problem, error.hint)


def _handed_over(owned: project.Project) -> Finding:
    """Report the lines for the agent that the files of its project lack."""
    try:
        host = facts.read(owned.path)
        with history.since(owned.src_path, owned.commit, newest=False) as past:
            alone = handing.at_first(past, owned.answers)
    except UserError as error:
        return Finding("project", "bad", error.problem, error.hint)
    left = needs.missing(host, alone)
    if not left:
        return Finding("project", "good", "it has every line of the agent")
    files = ", ".join(sorted({one.file for one in left}))
    lines = [f"{one.file}, {one.place}:\n{one.why or ''}\n{one.text}" for one in left]
    return Finding("project", "note", f"Lines of the agent are missing in {files}.",
                   "\n".join(lines).replace("\n\n", "\n"))  # fmt: skip


def _unset(path: Path) -> Iterator[Finding]:
    """Tell which variables of `.env.example` have to be filled in, and are not."""
    lines = {name: _text(path / name) for name in (".env.example", ".env")}
    asked = re.findall(r"^# ?([A-Z][A-Z0-9_]*)=(?:.*<.*>.*)?$", lines[".env.example"], re.MULTILINE)
    given = re.findall(r"^(?:export )?([A-Z][A-Z0-9_]*)=.+$", lines[".env"], re.MULTILINE)
    if unset := [name for name in asked if name not in given and not os.environ.get(name)]:
        yield Finding("variables", "note", f"Not set: {', '.join(unset)}.", "See: .env.example")


def _text(file: Path) -> str:
    return file.read_text("utf-8", errors="replace") if file.is_file() else ""
