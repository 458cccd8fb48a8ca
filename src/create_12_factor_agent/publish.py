"""Carry out a change in the owner's working tree: all of it, or nothing.

Only files of the change are touched, on success and on failure, and of the index only what is in
conflict. The answers file is moved last: what says that a repository is at a state has all of it.
"""

import errno
import os
import shlex
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath

from . import git, journal, source, target
from .change import Draft
from .errors import UsageError, UserError
from .journal import Journal
from .project import ANSWERS

FINISH, UNDO = (f"{source.NAME} update {flag}" for flag in ("--continue", "--abort"))


def publish(project: Path, draft: Draft) -> None:
    """Make the working tree what was merged: nothing staged, conflicts as git leaves them.

    Raises: UserError, and the repository is as it was.
    """
    with journal.held(project) as folder:
        journal.clear(folder)
        change = _journal(project, folder, draft)
        try:
            _prepare(change, draft)
        except BaseException:
            journal.clear(folder)
            raise
        with target.signals_held():
            try:
                change.write()
                _carry_out(change)
            except BaseException:
                _undo(change)
                raise


def check_whole(project: Path) -> None:
    """Refuse a repository in which a change was stopped halfway. Raises: UsageError."""
    change = journal.read(project)
    if change and not change.is_done:
        problem = f"A change ({change.way}) was stopped halfway."
        raise UsageError(problem, f"Finish it: {FINISH}\nUndo it: {UNDO}")


def changed(start: Path) -> Path | None:
    """Return the project that `start` is in, if it has a change to be finished or undone.

    An agent that is half brought in has no answers file yet.
    """
    start = start.resolve()
    for folder in (start, *start.parents):
        if not folder.is_dir() or git.run(folder, "rev-parse", "--show-toplevel").returncode:
            return None
        if journal.read(folder):
            return folder
        if (folder / ANSWERS).is_file():
            return None
    return None


def resume(project: Path) -> Journal:
    """Finish the change that was stopped halfway, and return it.

    Raises: UserError where there is none, or where its files were edited since.
    """
    with journal.held(project):
        change = journal.read(project)
        if not change or change.is_done:
            raise UsageError("No change was stopped halfway.", f"Start one: {source.NAME} update")
        if edited := change.edited():
            problem = f"Edited since the change was stopped: {', '.join(edited)}."
            raise UserError(problem, f"Move it away and try again, or undo the change: {UNDO}")
        with target.signals_held():
            _carry_out(change)
    return change


def abort(project: Path, *, discard: bool) -> Journal:
    """Undo the last change, done or not, and return it; `discard` what was edited since.

    Raises: UserError where there is none or it is committed, or where edits would be lost.
    """
    with journal.held(project):
        change = journal.read(project)
        if not change:
            raise UsageError("There is no change to undo.", "What is committed: git revert")
        edited = [name for name in change.edited() if name not in change.in_conflict]
        if edited and not discard:
            problem = f"You edited since: {', '.join(edited)}."
            raise UsageError(problem, f"To lose these edits too: {UNDO} --yes")
        with target.signals_held():
            _undo(change)
    return change


def _journal(project: Path, folder: Path, draft: Draft) -> Journal:
    mine, merged = draft.mine, draft.merged
    prefix = git.call(project, "rev-parse", "--show-prefix")
    becomes = {name: mine[name] for name in merged.conflicts if name in mine} | {**merged.writes}
    touched = {*becomes, *merged.deletes} & {*mine}
    return Journal(
        folder=folder,
        top=journal.place(project)[1],
        head=git.call(project, "rev-parse", "--verify", "HEAD"),
        before=draft.change.before,
        after=draft.change.after,
        was={prefix + name: mine[name] for name in touched},
        becomes={prefix + name: entry for name, entry in becomes.items()},
        unmerged=tuple(line.replace("\t", f"\t{prefix}", 1) for line in merged.unmerged),
        stamp=prefix + ANSWERS,
        files=draft.change.files,
        conflicts=merged.conflicts,
        lost=merged.lost,
        missed=merged.missed,
    )


def _prepare(change: Journal, draft: Draft) -> None:
    """Do all that can fail: after this, files are only moved."""
    change.folder.mkdir()
    _check_free(change)
    written = [entry.object for entry in change.becomes.values()]
    draft.store.pack([*written, *(line.split()[1] for line in change.unmerged)], change.top)
    change.lay_out()


def _check_free(change: Journal) -> None:
    """Refuse to write over what is not in the last commit, and what git does not look at."""
    touched = {*change.was, *change.becomes}
    for name in git.names(change.top, "ls-files", "-t", "-z"):
        if name.startswith("S ") and name[2:] in touched:
            problem = f"{name[2:]} is outside of your sparse checkout."
            raise UserError(problem, "Bring it back first: git sparse-checkout disable")
    for name in sorted({*change.was} - change.matching(change.was)):
        shown = f"git update-index --no-assume-unchanged {shlex.quote(name)}"
        problem = f"{name} is not as in your last commit."
        raise UserError(problem, f"Commit it, then try again. Where git hides it: {shown}")
    for name in sorted({*change.becomes} - {*change.was}):
        for place in (*map(str, reversed(PurePosixPath(name).parents[:-1])), name):
            path = change.top / place
            fits = place in change.was or (place != name and _is_folder(path))
            if os.path.lexists(path) and not fits:
                raise UserError(f"{place} is in the way, and git ignores it.", "Move it first.")


def _carry_out(change: Journal) -> None:
    """Move everything to its place, or what is not there yet."""
    for name in sorted({*change.was} - {*change.becomes}):
        _remove(change, name)
    for name in {*change.becomes} - {change.stamp}:
        _move(change.new(name), change.top / name)
    merged = [_no_entry(change, name) for name in change.in_conflict]
    _write_index(change, [*merged, *change.unmerged])
    _move(change.new(change.stamp), change.top / change.stamp)
    replace(change, is_done=True).write()


def _undo(change: Journal) -> None:
    """Put everything back that was done, and forget the change."""
    for name in {*change.becomes} - {*change.was}:
        _remove(change, name)
    for name in change.was:
        _move(change.old(name), change.top / name)
    _write_index(change, [*_taken_back(change)])
    journal.clear(change.folder)


def _taken_back(change: Journal) -> Iterator[str]:
    """Return what the index needs to be as in the last commit again."""
    staged: dict[str, list[str]] = {}
    for line in git.names(change.top, "ls-files", "--stage", "-z"):
        facts, _, name = line.partition("\t")
        staged.setdefault(name, []).append(facts)
    for name in {*change.was, *change.becomes}:
        entry = change.was.get(name)
        if staged.get(name, []) != ([f"{entry.mode} {entry.object} 0"] if entry else []):
            yield _no_entry(change, name)
            if entry:
                yield f"{entry.mode} {entry.object}\t{name}"


def _no_entry(change: Journal, name: str) -> str:
    return f"0 {'0' * len(change.head)}\t{name}"


def _write_index(change: Journal, lines: list[str]) -> None:
    if lines:
        feed = os.fsencode("".join(f"{line}\0" for line in lines))
        git.call(change.top, "update-index", "-z", "--index-info", feed=feed)


def _move(ready: Path, place: Path) -> None:
    """Move a file to its place, unless that was done before."""
    if not os.path.lexists(ready):
        return
    place.parent.mkdir(parents=True, exist_ok=True)
    try:
        ready.replace(place)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        near = place.with_name(f".{source.NAME}-{place.name}")
        shutil.copy2(ready, near, follow_symlinks=False)
        near.replace(place)


def _remove(change: Journal, name: str) -> None:
    """Remove a file, and its folders where they are empty then."""
    path = change.top / name
    path.unlink(missing_ok=True)
    project = change.top / PurePosixPath(change.stamp).parent
    for folder in path.parents:
        if folder == project:
            break
        try:
            folder.rmdir()
        except OSError:
            break


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()
