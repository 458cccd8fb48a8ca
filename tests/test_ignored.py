"""What an agent's `.gitignore` and `.dockerignore` keep out of its repository and its image."""

import re
import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path, PurePosixPath

import pytest

from .conftest import ROOT
from .templates import git, write

PRIVATE = (
    ".env", ".env.local", ".env.production", "data/threads.db", "data/evals/report.json",
    "threads.db", "threads.db-shm", "threads.db-wal", "backup/old.db", "backup/old.db-shm",
    "backup/old.db-wal", "backup/.env", "backup/.env.local", "threads.jsonl",
    ".threads.jsonl.unfinished", "backup/.threads.jsonl.unfinished",
)  # fmt: skip
"""Secrets, databases, exports, and what was recorded of models."""
LEFT = (
    ".venv/bin/python", "src/agent/__pycache__/app.cpython-313.pyc.140", ".mypy_cache/CACHEDIR.TAG",
    "src/agent/.ruff_cache/x",
)  # fmt: skip
"""What tools leave behind."""
NEEDED = (
    "uv.lock", "pyproject.toml", "README.md", "people.toml", "prices.toml", "webhooks.toml",
    "src/agent/app.py", "src/agent/engine/stores/sqlite/database.py",
    "src/agent/deploy/prompts/system.md", "sample/deploy/demo.jsonl", "sample/deploy/git_tags.json",
)  # fmt: skip
KEPT = {
    ".gitignore": (
        ".env.example", ".env.example.old", "evals/deploy/cases.jsonl", "docs/http.md",
        ".github/workflows/check.yml", ".dockerignore",
    ),
    ".dockerignore": (),
}  # fmt: skip
LEFT_OUT = {
    ".gitignore": ("src/agent/app.pyc", "src/agent/app.pyo", ".hypothesis/x", "dist/agent.whl"),
    ".dockerignore": (
        ".git/config", ".github/workflows/check.yml", "docs/http.md", "evals/deploy/cases.jsonl",
        "kubernetes/base/agent.yaml", "tests/deploy/test_tools.py",
    ),
}  # fmt: skip
"""Beside what both leave out."""

Ignored = Callable[[str, Iterable[str], Path], set[str]]


def find_ignored_by_git(text: str, paths: Iterable[str], folder: Path) -> set[str]:
    """Ask git which of the paths a `.gitignore` ignores."""
    if not (folder / ".git").exists():
        git(folder, "init", "--quiet")
    write(folder, {".gitignore": text})
    ran = subprocess.run(
        ["git", "-c", "core.excludesFile=/dev/null", "check-ignore", "--stdin"],
        cwd=folder, input="\n".join(paths), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ran.returncode in (0, 1), ran.stderr
    return {*ran.stdout.splitlines()}


def find_ignored_by_docker(text: str, paths: Iterable[str], _: Path) -> set[str]:
    """Return which of the paths a `.dockerignore` ignores.

    https://docs.docker.com/build/concepts/context/#dockerignore-files: a pattern is matched with
    the whole path or a folder above it, and the last one that matches decides.
    """
    lines = [line.strip() for line in text.splitlines() if line.strip() and line[0] != "#"]
    ignored: set[str] = set()
    for path in paths:
        places = [path, *map(str, PurePosixPath(path).parents)]
        for line in lines:
            pattern = re.compile(_translate(line.removeprefix("!").strip("/")))
            if any(pattern.fullmatch(place) for place in places):
                (ignored.discard if line[0] == "!" else ignored.add)(path)
    return ignored


def _translate(pattern: str) -> str:
    """Return a pattern of Docker's as a regular expression."""
    words = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    parts = re.findall(r"\*\*/|\*\*|\*|\?|[^*?]+", pattern)
    return "".join(words.get(part) or re.escape(part) for part in parts)


FILES: dict[str, Ignored] = {
    ".gitignore": find_ignored_by_git,
    ".dockerignore": find_ignored_by_docker,
}


def read(name: str) -> str:
    return (ROOT / "template" / name).read_text("utf-8")


def left_out(name: str) -> tuple[str, ...]:
    return (*PRIVATE, *LEFT, *LEFT_OUT[name])


@pytest.mark.parametrize("name", FILES)
def test_secrets_databases_exports_and_leftovers_are_ignored(name: str, tmp_path: Path) -> None:
    assert {*left_out(name)} - FILES[name](read(name), left_out(name), tmp_path) == set()


@pytest.mark.parametrize("name", FILES)
def test_what_an_agent_needs_is_not_ignored(name: str, tmp_path: Path) -> None:
    assert FILES[name](read(name), (*NEEDED, *KEPT[name]), tmp_path) == set()


@pytest.mark.parametrize("name", FILES)
def test_each_line_is_needed(name: str, tmp_path: Path) -> None:
    """Without it, one of the paths here is ignored no more, or one that has to be there is."""
    paths = (*left_out(name), *NEEDED, *KEPT[name])
    lines = read(name).splitlines()
    whole = FILES[name](read(name), paths, tmp_path)
    for place, line in enumerate(lines):
        if line and line[0] != "#":
            rest = "\n".join(lines[:place] + lines[place + 1 :])
            assert FILES[name](rest, paths, tmp_path) != whole, line


@pytest.mark.parametrize(
    ("pattern", "ignored"),
    [
        ("*.db", {"a.db"}),
        ("**/*.db", {"a.db", "x/a.db", "x/y/a.db"}),
        ("/x", {"x/a.db", "x/y/a.db"}),
        ("**/y", {"x/y/a.db"}),
        ("x/**", {"x/a.db", "x/y/a.db"}),
        ("?.db", {"a.db"}),
        ("**/*.db\n!x/a.db", {"a.db", "x/y/a.db"}),
        ("# *.db", set()),
        ("a", set()),
    ],
)
def test_patterns_mean_what_docker_says(pattern: str, ignored: set[str], tmp_path: Path) -> None:
    paths = ("a.db", "x/a.db", "x/y/a.db")
    assert find_ignored_by_docker(pattern, paths, tmp_path) == ignored
