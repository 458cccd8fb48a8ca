"""Where a repository comes from and is updated from: a release, a fork, or a checkout.

Knows no question and no Copier.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from . import git, source, temporary

FILES = ("copier.yml", "template")
"""What a repository is rendered from."""


@dataclass(frozen=True)
class Origin:
    """The template as this installation has it, and what an answers file says of that."""

    url: str
    """`_src_path`: an address or a folder that git can fetch from."""
    ref: str
    """`_commit`: a release's tag or a commit; a version where there is neither."""
    checkout: Path | None = None
    """The template is the commit `ref` of this one, not the installation's folder."""
    note: str = ""
    """Why a repository made from it may not be updated, and what to do; empty where it can be."""


@dataclass(frozen=True)
class Followed:
    """Where a repository is updated from, and where this program came from."""

    origin: str
    """Its `_src_path`."""
    program: str
    """The `_src_path` of a repository that this program makes."""
    bundled: bool
    """The releases in this installation stand for those at `origin`."""


def here() -> Origin:
    """Find out where this installation came from.

    A checkout is where it was run in or installed from (PEP 610), as it stands now.
    """
    if checkout := _checkout():
        described = describe(checkout, _state(checkout))
        return Origin(str(checkout), described, checkout)
    match source.direct_url():
        case {"url": str(address), "vcs_info": {"vcs": "git", "commit_id": str(commit)}}:
            return Origin(address if address.endswith(".git") else f"git+{address}", commit)
    if re.fullmatch(r"\d+\.\d+\.\d+", version := source.version()):
        return Origin(source.url(), f"v{version}")
    return _unreleased(version)


@contextmanager
def template(origin: Origin) -> Iterator[Path]:
    """Give the template as a plain folder: Copier would clone a folder with a `.git`."""
    if not origin.checkout:
        yield source.folder()
        return
    with temporary.folder() as folder:
        git.extract(origin.checkout, origin.ref, folder, *FILES)
        yield folder


def followed(src_path: str) -> Followed:
    """Compare the `_src_path` of a repository with where this program came from."""
    program = str(_checkout() or here().url)  # `here` alone would make a snapshot
    program = src_path if is_same(src_path, program) else program
    return Followed(src_path, program, is_bundled(src_path))


def repository(src_path: str) -> str:
    """Return what git can clone for the `_src_path` of an answers file."""
    return str(source.bundle()) if is_bundled(src_path) else _address(src_path)


def is_bundled(src_path: str) -> bool:
    """Return whether the releases in this installation stand for those at `src_path`."""
    return source.bundle() is not None and src_path == source.url()


def is_same(one: str, other: str) -> bool:
    """Return whether two `_src_path` name the same place, in whatever way they are written."""
    return _plain(one) == _plain(other)


def _plain(src_path: str) -> str:
    address = _address(src_path).removeprefix("file://").rstrip("/")
    return str(Path(address).resolve()) if Path(address).is_dir() else address.removesuffix(".git")


def _address(src_path: str) -> str:
    if short := re.fullmatch(r"(gh|gl):/?(.*?)(?:\.git)?", src_path):
        host = {"gh": "github.com", "gl": "gitlab.com"}[short[1]]
        return f"https://{host}/{short[2]}.git"
    return src_path.removeprefix("git+") if ":" in src_path else str(Path(src_path).expanduser())


def _unreleased(version: str) -> Origin:
    """Find the commit of a build between releases in its version, as hatch-vcs has put it there.

    The version of a checkout may be older than its files, and a build with a date in its version
    had changes that no commit has.
    """
    not_release = f"{source.NAME} {version} is not a release"
    instead = f"use a release to make it: uvx {source.NAME}@latest"
    found = re.fullmatch(r".*\+g([0-9a-f]{7,40})", version)
    if found and source.folder() != source.checkout():
        condition = f"Updates will work only if commit {found[1]} is at {source.url()}"
        return Origin(source.url(), found[1], note=f"{not_release}. {condition}; or {instead}")
    note = f"{not_release}, so this repository cannot be updated. For updates, {instead}"
    return Origin(source.url(), version, note=note)


def describe(repository: Path, commit: str) -> str:
    """Return what Copier records for a commit: a release, one and a distance, or an id."""
    return git.call(repository, "describe", "--tags", "--always", commit)


def _checkout() -> Path | None:
    place = source.checkout()
    if not place or not (place / ".git").exists() or not git.installed():
        return None
    return place if git.run(place, "rev-parse", "--verify", "HEAD").returncode == 0 else None


def _state(checkout: Path) -> str:
    """Return the commit that is checked out, or a snapshot of a checkout with changes in it.

    A snapshot stands in the place of the commit it changes, under a reference of its own:
    nothing of the checkout moves, and whoever clones it finds the snapshot again.
    """
    if not git.call(checkout, "status", "--porcelain"):
        return git.call(checkout, "rev-parse", "HEAD")
    with temporary.folder() as folder:
        index = str(folder / "index")
        git.call(checkout, "read-tree", "HEAD", env={"GIT_INDEX_FILE": index})
        git.call(checkout, "add", "--all", env={"GIT_INDEX_FILE": index})
        tree = git.call(checkout, "write-tree", env={"GIT_INDEX_FILE": index})
    snapshot = git.commit_tree(
        checkout, tree, *git.call(checkout, "log", "-1", "--format=%P").split()
    )
    git.call(checkout, "update-ref", f"refs/{source.NAME}/{snapshot}", snapshot)
    return snapshot
