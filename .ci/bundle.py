"""Put the releases of the template into the wheel, as a bundle that git can clone.

A hatch build hook. The bundle has one commit for each release tag, with only what a repository
is made from and what the changelog says of it. An sdist carries the bundle, so that a wheel
can be built from one without git.

A clone that lacks releases is built all the same, with a warning: who installs a shallow clone to
try it out needs none of them. `.ci/check_wheel.py` keeps such a wheel from being released.
"""

import os
import re
import shutil
import subprocess
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

NAME = "template.bundle"
FILES = ("copier.yml", "template", "docs/changelog.md")
SHALLOW = (
    "Warning: This clone is shallow. The wheel cannot update repositories that were made from "
    "releases it lacks. Before you publish it, run: git fetch --unshallow --tags"
)
EMPTY = (
    "Warning: No release tags were found. The wheel carries no releases, so updates need the "
    "network. Before you publish it, build it in a clone with tags: git fetch --tags"
)
NOBODY = "create-12-factor-agent <nobody@localhost> 0 +0000"


class BundleHook(BuildHookInterface):
    """Adds the bundle to what is built, where there is one."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Find or write the bundle, and name it to hatch."""
        if version == "editable":
            return
        self.folder = Path(mkdtemp())
        bundle = Path(self.root, NAME)
        if Path(self.root, ".git").exists() and shutil.which("git"):
            bundle = self.folder / NAME
            write(Path(self.root), bundle)
            if _git(Path(self.root), "rev-parse", "--is-shallow-repository") == "true":
                self.app.display_warning(SHALLOW)
        if not bundle.is_file():
            self.app.display_warning(EMPTY)
            return
        wheel = f"create_12_factor_agent/_{NAME}"
        place = wheel if self.target_name == "wheel" else NAME
        build_data["force_include"][str(bundle)] = place

    def finalize(self, version: str, *_: object) -> None:
        """Tidy up."""
        if version != "editable":
            shutil.rmtree(self.folder, ignore_errors=True)


def write(checkout: Path, bundle: Path) -> None:
    """Write the bundle of all releases; none where nothing was released yet."""
    tags = [tag for tag in _git(checkout, "tag").split() if re.fullmatch(r"v\d+\.\d+\.\d+", tag)]
    if not tags:
        return
    slim = bundle.with_suffix(".git")
    _git(checkout, "init", "--quiet", "--bare", "--initial-branch=main", str(slim))
    objects = (checkout / _git(checkout, "rev-parse", "--git-path", "objects")).resolve()
    (slim / "objects/info/alternates").write_text(f"{objects}\n")
    _share_promise(checkout, slim)
    last = []
    for tag in sorted(tags, key=lambda tag: [int(number) for number in tag[1:].split(".")]):
        commit = _git(checkout, "rev-parse", f"{tag}^{{commit}}")
        last = [_commit(slim, _subtree(slim, commit, FILES), *last)]
        for name in (f"refs/tags/{tag}", "refs/heads/main"):
            _git(slim, "update-ref", name, last[0])
    # With several threads git packs the same objects in other bytes each time.
    one_thread = ("-c", "pack.threads=1")
    _git(slim, *one_thread, "bundle", "create", "--quiet", str(bundle), "--all", "HEAD")


def _share_promise(checkout: Path, slim: Path) -> None:
    """Let git fetch what a partial clone left out, as pip makes one of an address."""
    wanted = re.compile(r"(remote\..*\.(?:url|promisor|partialclonefilter))=(.*)")
    for line in _git(checkout, "config", "--list").splitlines():
        if found := wanted.fullmatch(line):
            _git(slim, "config", *found.groups())


def _subtree(slim: Path, tree: str, names: tuple[str, ...]) -> str:
    """Write a tree with only the entries `names` of `tree`, and return its id."""
    entries = []
    for line in _git(slim, "ls-tree", tree).splitlines():
        start, name = line.split("\t")
        below = tuple(
            path.removeprefix(f"{name}/") for path in names if path.startswith(f"{name}/")
        )
        if below:
            mode, kind, inner = start.split()
            start = f"{mode} {kind} {_subtree(slim, inner, below)}"
        if below or name in names:
            entries.append(f"{start}\t{name}\n")
    return _git(slim, "mktree", "--missing", feed="".join(entries))


def _commit(slim: Path, tree: str, *parents: str) -> str:
    above = [f"parent {parent}\n" for parent in parents]
    people = f"author {NOBODY}\ncommitter {NOBODY}\n\nA release of the template\n"
    feed = "".join([f"tree {tree}\n", *above, people])
    return _git(slim, "hash-object", "-t", "commit", "-w", "--stdin", feed=feed)


def _git(folder: Path, *arguments: str, feed: str = "") -> str:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    ran = subprocess.run(
        ["git", *arguments], cwd=folder, env=clean, input=feed, capture_output=True, text=True,
        check=True,
    )  # fmt: skip
    return ran.stdout.removesuffix("\n")
