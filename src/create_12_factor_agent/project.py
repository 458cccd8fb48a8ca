"""A repository that was made before: what it records of its origin, and whether it may change."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import git, source
from .errors import UsageError

ANSWERS = ".copier-answers.yml"
MEND = f"Restore it from git: git checkout HEAD -- {ANSWERS}"
_OURS = ("_commit", "_src_path", "project_name", "llm", "store", "runner", "extra")
"""What the answers file of every repository of this template has."""


@dataclass(frozen=True)
class Project:
    """A repository with an answers file."""

    path: Path
    answers: Mapping[str, Any]
    src_path: str
    commit: str


def find(start: Path) -> Project:
    """Find the repository that `start` is in.

    Raises: UsageError where there is none, or none of this template.
    """
    start = start.resolve()
    for folder in (start, *start.parents):
        if (folder / ANSWERS).is_file():
            return at(folder)
    missing = f"{start} is in no repository of {source.NAME}: there is no {ANSWERS}."
    raise UsageError(missing, f"Go to one, or make one: {source.NAME} my-agent")


def check_clean(project: Project) -> None:
    """Refuse a repository from which a change could not be taken back.

    Raises: UsageError
    """
    if git.run(project.path, "rev-parse", "--verify", "HEAD").returncode:
        commit = "git init && git add --all && git commit --message 'Before the change'"
        raise UsageError(f"{project.path} has no commit to come back to.", f"Run: {commit}")
    if changed := git.names(project.path, "status", "--porcelain", "-z", "--no-renames", "--", "."):
        more = f" and {len(changed) - 1} more" if len(changed) > 1 else ""
        problem = f"There are changes that are not committed: {changed[0][3:]}{more}."
        raise UsageError(
            problem, "Commit or stash them (git stash --include-untracked), then try again."
        )
    if not git.names(project.path, "ls-tree", "-z", "--name-only", "HEAD", ANSWERS):
        problem = f"{project.path / ANSWERS} is not in your last commit."
        raise UsageError(problem, f"Commit it: git add --force {ANSWERS}")


def at(folder: Path) -> Project:
    """Read the answers file of a repository. Raises: UsageError."""
    try:
        return parse((folder / ANSWERS).read_bytes(), folder)
    except OSError as error:
        raise UsageError(f"{folder / ANSWERS} cannot be read: {error.strerror}.", MEND) from error


def parse(held: bytes, folder: Path) -> Project:
    """Return what an answers file of the repository in `folder` says. Raises: UsageError."""
    import yaml

    file, mend = folder / ANSWERS, MEND
    try:
        stored = yaml.safe_load(held.decode())
    except (UnicodeError, yaml.YAMLError) as error:
        raise UsageError(f"{file} cannot be read: {' '.join(str(error).split())}", mend) from error
    if not isinstance(stored, dict):
        raise UsageError(f"{file} holds no answers.", mend)
    if missing := [name for name in _OURS if name not in stored]:
        problem = f"{file} lacks {', '.join(missing)}: is it of another template?"
        raise UsageError(problem, mend)
    kept = {name: stored[name] for name in stored if not name.startswith("_")}
    return Project(folder, kept, str(stored["_src_path"]), str(stored["_commit"]))
