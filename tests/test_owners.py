"""Owners who make it hard lose nothing in an update, and no change is kept quiet.

`pytest "tests/test_owners.py::test_an_update_of_a_drawn_owner_is_right[7]"` runs one again.
"""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from . import footprints, owners, trees
from .footprints import Room
from .oracle import Update
from .owners import Owner, template
from .owners.template import Releases
from .plain_git import git

IN_THE_SUITE, AT_NIGHT = 64, 700
"""How many owners are drawn. The first have each edit, each place, setting and variable once."""

pytestmark = pytest.mark.slow


@pytest.fixture(scope="session")
def releases(tmp_path_factory: pytest.TempPathFactory) -> Releases:
    return template.release(tmp_path_factory.mktemp("owners"))


def check(owner: Owner, releases: Releases, room: Path) -> None:
    _, problems = owners.update(owners.settle(owner, releases, room), owner, releases)
    assert problems == [], f"{owner}\n" + "\n".join(problems)
    shutil.rmtree(room)


@pytest.mark.parametrize("number", range(IN_THE_SUITE))
def test_an_update_of_a_drawn_owner_is_right(
    releases: Releases, tmp_path: Path, number: int
) -> None:
    check(owners.draw(number), releases, tmp_path / "room")


@pytest.mark.nightly
@pytest.mark.parametrize("number", range(IN_THE_SUITE, AT_NIGHT))
def test_an_update_of_many_more_owners_is_right(
    releases: Releases, tmp_path: Path, number: int
) -> None:
    check(owners.draw(number), releases, tmp_path / "room")


def test_the_first_owners_have_everything_once() -> None:
    drawn = [owners.draw(number) for number in range(IN_THE_SUITE)]
    assert {edit for owner in drawn for edit in owner.edits} == {*owners.ALL_EDITS}
    assert {name for owner in drawn for name in owner.around} == {*owners.ALL_SURROUNDINGS}


# -- a footprint has what an update must not leave -------------------------------------------


def stage(room: Room) -> None:
    room.git("update-index", "--add", "--cacheinfo", f"100644,{_blob(room)},new")


def leave_a_conflict(room: Room) -> None:
    line = f"100644 {_blob(room)} 2\tMakefile\n"
    git(room.top, "update-index", "--index-info", feed=line.encode())


def _blob(room: Room) -> str:
    return room.git("rev-parse", "HEAD:README.md").decode().strip()


LEFT: dict[str, Callable[[Room], object]] = {
    "tmp/left": lambda room: (room.path / "tmp/left").mkdir(),
    "home/.gitconfig": lambda room: (room.home / ".gitconfig").write_text("[core]\n"),
    "my-agent/.git/index.lock": lambda room: (room.top / ".git/index.lock").touch(),
    "my-agent/.git/refs/tags/v1": lambda room: room.git("tag", "v1"),
    "my-agent/.git/refs/stash": lambda room: (
        (room.project / "README.md").write_text(""), room.git("stash"),
    ),
    "my-agent/.git/worktrees": lambda room: room.git("worktree", "add", "--detach", "../more"),
    "my-agent/.git/config": lambda room: room.git("config", "a.b", "c"),
    "my-agent/.git/HEAD": lambda room: room.git("checkout", "--quiet", "--detach"),
    "shared/left": lambda room: (room.shared / "left").touch(),
    "'new' was staged": stage,
    "unmerged are ['Makefile']": leave_a_conflict,
    "'README.md' was written to": lambda room: (room.project / "README.md").touch(),
    "wrong in the list": lambda room: (room.project / "left").touch(),
}  # fmt: skip


@pytest.mark.parametrize("left", LEFT)
def test_what_is_left_behind_is_found(releases: Releases, tmp_path: Path, left: str) -> None:
    room = owners.settle(Owner(0, ()), releases, tmp_path / "room")
    before, tree = footprints.take(room), trees.working_tree(room.project)
    LEFT[left](room)
    after = footprints.take(room)
    update = Update(tree, tree, tree, trees.working_tree(room.project))
    assert any(left in problem for problem in footprints.check_room(room, before, after, update))


def test_nothing_done_leaves_nothing_behind(releases: Releases, tmp_path: Path) -> None:
    room = owners.settle(Owner(0, ()), releases, tmp_path / "room")
    tree, footprint = trees.working_tree(room.project), footprints.take(room)
    update = Update(tree, tree, tree, tree)
    assert [*footprints.check_room(room, footprint, footprints.take(room), update)] == []


@pytest.mark.parametrize(
    ("code", "told", "right"),
    [(0, {}, True), (3, {"missed": ["a"]}, True), (0, {"lost": ["a"]}, False), (3, {}, False)],
)
def test_an_exit_code_says_what_is_left(code: int, told: dict[str, list[str]], right: bool) -> None:
    update = Update({}, {}, {}, {}, told=told)
    assert ([*footprints.check_exit(code, "", update)] == []) is right
    assert [*footprints.check_exit(code, "Traceback (most recent call last)", update)]
