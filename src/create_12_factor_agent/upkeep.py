"""Carry out a change of a repository: work it out, ask at need, publish, install, tell."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer

from . import catalog, change, draft, finish, git, history, project, report, summary, terminal
from .catalog import Answer, Question
from .errors import UsageError, UserError

LEFT_TO_MERGE = 3
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


def carry_out(folder: Path, wanted: Wanted, choose: Choose | None = None) -> None:
    """Change the repository that `folder` is in: other parts by `choose`, or the newest version.

    Raises: UserError, and the repository is as it was. Exit with LEFT_TO_MERGE where something
    is left to the owner.
    """
    owned = project.find(folder)
    git.check_installed()
    try:
        with _drafted(owned, wanted, choose) as found:
            if found is None:
                summary.unchanged(owned.commit, as_json=wanted.as_json)
                return
            done, place = found
            if not wanted.dry_run:
                if choose:
                    _confirm(_list_risks(owned, done), wanted)
                draft.publish(owned.path, place)
    except KeyboardInterrupt:
        raise UserError("Stopped.", "Nothing was changed.", code=130) from None
    notes = [] if wanted.dry_run else _install(owned.path, done, wanted)
    summary.changed(done, notes, dry_run=wanted.dry_run, as_json=wanted.as_json)
    left = done.conflicts or done.missed or (done.lost and choose is None)
    if left and not wanted.dry_run:
        raise typer.Exit(LEFT_TO_MERGE)


@contextmanager
def _drafted(
    owned: project.Project, wanted: Wanted, choose: Choose | None
) -> Iterator[tuple[change.Change, Path] | None]:
    """Work out the change and give it with its draft; None where there is nothing to change."""
    with ExitStack() as stack:
        with report.busy("Working it out"):
            past = history.since(owned.src_path, owned.commit, newest=choose is None)
            states = stack.enter_context(past)
            known = catalog.questions(states.read(history.OLD, "copier.yml"))
            answers = choose(owned.answers, known) if choose else {}
            found = None
            if answers or states.moves:
                if not wanted.dry_run:
                    project.check_clean(owned)
                found = stack.enter_context(change.drafted(owned, states, answers))
        yield found


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


def _install(path: Path, done: change.Change, wanted: Wanted) -> list[str]:
    if not wanted.install:
        return []
    if "pyproject.toml" in done.conflicts:
        return ["pyproject.toml is to be merged: run `uv sync` then."]
    try:
        with report.busy("Installing what it needs (uv sync)"):
            note = finish.install(path)
    except KeyboardInterrupt:
        left = "Run `uv sync`, then: git add --all, git diff --cached, git commit"
        raise UserError("Stopped after the change was made.", left, code=130) from None
    return [note] if note else []
