"""Carry out a change of a repository: compute it, ask at need, publish, install, report."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer

from . import (
    catalog,
    change,
    finish,
    git,
    history,
    origin,
    outcome,
    project,
    publish,
    report,
    summary,
    terminal,
)
from .catalog import Answer, Question
from .errors import LEFT, STOPPED, UsageError, UserError

THREADS = "data/threads.db"
"""Where threads are, unless `SQLITE_PATH` says otherwise."""

Choose = Callable[[Mapping[str, Any], tuple[Question, ...]], dict[str, Answer]]
"""The answers there are and the questions there are in, the answers that change out."""


@dataclass(frozen=True)
class Wanted:
    """How a change is to be carried out."""

    yes: bool
    dry_run: bool
    as_json: bool
    install: bool


def carry_out(folder: Path, wanted: Wanted, choose: Choose | None = None, to: str = "") -> None:
    """Change the repository that `folder` is in: other parts by `choose`, or another version.

    That is `to`, or the newest. Exits with LEFT where something is left to the owner.

    Raises: UserError, and the repository is as it was.
    """
    owned = _found(folder)
    publish.check_whole(owned.path)
    try:
        with _drafted(owned, wanted, choose, to) as draft:
            if draft is None:
                followed = None if choose else origin.followed(owned.src_path)
                summary.unchanged(owned.commit, followed, as_json=wanted.as_json)
                return
            done = draft.change
            if not wanted.dry_run:
                if choose:
                    _confirm(_list_risks(owned, done), wanted)
                publish.publish(owned.path, draft)
    except KeyboardInterrupt:
        raise UserError("Stopped.", "Nothing was changed.", code=STOPPED) from None
    notes = [] if wanted.dry_run else _finish(owned.path, done, wanted)
    outcome.changed(done, notes, dry_run=wanted.dry_run, as_json=wanted.as_json)
    left = done.conflicts or done.missed or (done.lost and choose is None) or _has_lines(done)
    if left and not wanted.dry_run:
        raise typer.Exit(LEFT)


def resume(folder: Path, *, as_json: bool) -> None:
    """Finish the change that was stopped halfway in the repository that `folder` is in.

    Raises: UserError
    """
    change = publish.resume(_changed(folder))
    outcome.resumed(change, as_json=as_json)
    if not change.is_merged:
        raise typer.Exit(LEFT)


def abort(folder: Path, *, discard: bool, as_json: bool) -> None:
    """Undo the last change of the repository that `folder` is in, if it is not committed.

    Raises: UserError
    """
    outcome.aborted(publish.abort(_changed(folder), discard=discard), as_json=as_json)


def _changed(folder: Path) -> Path:
    """Find the repository with a change to be finished or undone; else the one that is meant."""
    git.check_installed()
    return publish.changed(folder) or _found(folder).path


def _found(folder: Path) -> project.Project:
    owned = project.find(folder)
    git.check_installed()
    return owned


@contextmanager
def _drafted(
    owned: project.Project, wanted: Wanted, choose: Choose | None, to: str
) -> Iterator[change.Draft | None]:
    """Work out the change; None where there is nothing to change."""
    with ExitStack() as stack:
        with report.busy("Computing changes"):
            past = history.since(owned.src_path, owned.commit, newest=choose is None, to=to)
            states = stack.enter_context(past)
            known = catalog.questions(states.old.read("copier.yml"))
            answers = choose(owned.answers, known) if choose else {}
            draft = None
            if answers or states.moves:
                if not wanted.dry_run:
                    project.check_clean(owned)
                draft = stack.enter_context(change.drafted(owned, states, answers))
        yield draft


def _has_lines(done: change.Change) -> bool:
    """Return whether files of the project that the agent is a part of have to be changed."""
    return done.handover is not None and bool(done.handover.came or done.handover.went)


def _list_risks(owned: project.Project, done: change.Change) -> list[tuple[str, str]]:
    """Return what would be out of reach after a change of parts, each with what to do first."""
    risks = []
    if done.lost:
        problem = f"You edited what would go away: {', '.join(done.lost)}."
        risks.append((problem, "With --yes it goes; git keeps your last commit of it."))
    if owned.answers["store"] != done.answers["store"] and (owned.path / THREADS).is_file():
        problem = f"The new store does not have the threads of {THREADS}."
        first = "To take them along, first run `uv run agent export threads.jsonl`."
        risks.append((f"{problem} {first}", "With --yes they stay behind."))
    return risks


def _confirm(risks: list[tuple[str, str]], wanted: Wanted) -> None:
    for problem, hint in [] if wanted.yes else risks:
        if wanted.as_json or not terminal.somebody_is_there():
            raise UsageError(problem, hint)
        if not typer.confirm(f"{problem} Go on?", err=True):
            raise UserError("Stopped.", "Nothing was changed.")


def _finish(path: Path, done: change.Change, wanted: Wanted) -> list[str]:
    """Install what is needed; return what did not work, and what is easily overlooked."""
    notes = [finish.ignored(path, done.files)]
    install = wanted.install and not done.handover  # whose project has a tool of its own
    if install and "pyproject.toml" in done.conflicts:
        notes.append("Merge pyproject.toml, then run: uv sync")
    elif install:
        try:
            with report.busy("Installing what it needs (uv sync)"):
                notes.append(finish.install(path))
        except KeyboardInterrupt:
            left = "Run `uv sync`, then: git add --all, git diff --cached, git commit"
            problem = "Stopped after the change was made."
            raise UserError(problem, left, code=STOPPED) from None
    return [note for note in notes if note]
