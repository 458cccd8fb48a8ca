"""Every release, edited by its owner in every way, updates to the newest and still works.

docs/update.md publishes the outcome.
"""

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from create_12_factor_agent import source

from . import drill, releases
from .conftest import Agent, Run
from .templates import commit, git

pytestmark = pytest.mark.slow

TESTS = [
    "tests/deploy",
    *(f"tests/engine/{name}" for name in ("log", "context", "loop", "stores", "runners")),
]
"""What is run of the agent's own tests: most of what the edits meet."""


@pytest.fixture(scope="session")
def history(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """Give a repository of all releases, and their tags."""
    folder = tmp_path_factory.mktemp("releases") / "template"
    return folder, releases.build(folder)


Updated = Callable[[str, str], tuple[Path, dict[str, str], dict[str, Any]]]


@pytest.fixture
def updated(
    history: tuple[Path, list[str]], run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Updated:
    """Make a repository of a release, let its owner edit it, and update it to the newest."""
    template, tags = history

    def update(tag: str, kind: str) -> tuple[Path, dict[str, str], dict[str, Any]]:
        monkeypatch.setattr(source, "_CHECKOUT", template)
        git(template, "checkout", "--quiet", "--force", tag)
        extra = ",".join(drill.extras(template))
        assert run("my-agent", "--yes", "--no-install", "--extra", extra).code == 0
        project = tmp_path / "my-agent"
        edited = drill.edit(project, kind)
        git(template, "checkout", "--quiet", "--force", tags[-1])
        ran = run("update", "--project", str(project), "--no-install", "--json")
        told = json.loads(ran.out)
        assert ran.code == (3 if told["conflicts"] or told["lost"] else 0)
        assert told["after"] == tags[-1]
        assert f"_commit: {tags[-1]}\n" in (project / ".copier-answers.yml").read_text()
        return project, edited, told

    return update


def oldest_by_day() -> list[Any]:
    """Return the releases to update from; all but the oldest are for nights."""
    between = (release.tag for release in releases.RELEASES[:-1])
    return [releases.FIRST, *(pytest.param(tag, marks=pytest.mark.nightly) for tag in between)]


@pytest.mark.parametrize("kind", [kind for kind in drill.EDITS if kind != "nothing"])
@pytest.mark.parametrize("tag", oldest_by_day())
def test_nothing_is_lost_and_nothing_left_out(updated: Updated, tag: str, kind: str) -> None:
    project, edited, told = updated(tag, kind)
    after = drill.texts(project)
    for name, text in edited.items():
        mine = {line for line in text.splitlines() if drill.MARK in line}
        assert name in told["lost"] or mine <= {*after.get(name, "").splitlines()}, name
    for name, lines in arrived(told["diff"]).items():
        left = name in (*told["conflicts"], *told["missed"])
        assert left or {*lines} <= {*after[name].splitlines()}, name


@pytest.mark.parametrize("tag", oldest_by_day())
def test_who_edited_nothing_gets_what_is_made_today(
    updated: Updated, run: Run, tmp_path: Path, tag: str
) -> None:
    project, _, told = updated(tag, "nothing")
    flags = ("--extra", ",".join(told["answers"]["extra"]), "--project-name", "my-agent")
    assert run("today", "--yes", "--no-install", "--no-git", *flags).code == 0
    assert drill.texts(project) == {
        path.relative_to(tmp_path / "today").as_posix(): path.read_text()
        for path in (tmp_path / "today").rglob("*")
        if path.is_file()
    }


@pytest.mark.nightly
@pytest.mark.parametrize("kind", [kind for kind in drill.EDITS if kind != "nothing"])
def test_its_own_tests_pass_after_the_longest_way(updated: Updated, full: Agent, kind: str) -> None:
    project, _, told = updated(releases.FIRST, kind)
    drill.merge(project, told["conflicts"])
    commit(project, {})
    ran = owner_runs(full, project, "-m", "pytest", *TESTS, "-qx", "-p", "no:cacheprovider")
    assert ran.returncode == 0, ran.stdout[-4000:]


@pytest.mark.parametrize("stops", [0, pytest.param(2, marks=pytest.mark.nightly)])
def test_who_started_at_a_real_commit_and_edited_nothing_goes_on(
    full: Agent, run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, stops: int
) -> None:
    template, project = tmp_path / "template", tmp_path / "my-agent"
    commits = releases.clone(template, stops)
    monkeypatch.setattr(source, "_CHECKOUT", template)
    git(template, "checkout", "--quiet", commits[0])
    assert run("my-agent", "--yes", "--no-install").code == 0
    for state in (*commits[1:], "main"):
        git(template, "checkout", "--quiet", state)
        updated = run("update", "--project", str(project), "--no-install")
        assert updated.code == 0, updated.err
        commit(project, {})
    start = "from agent.engine.main import main; main()"
    assert "ok   app.py\n" in owner_runs(full, project, "-c", start, "doctor").stdout
    ran = owner_runs(full, project, "-m", "pytest", "tests", "-qx", "-p", "no:cacheprovider")
    assert ran.returncode == 0, ran.stdout[-4000:]


def owner_runs(full: Agent, project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python in a project, with what another agent has installed."""
    environment = os.environ | {"PYTHONPATH": "src", "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        [full.path / ".venv/bin/python", *arguments],
        cwd=project, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip


def arrived(diff: str) -> dict[str, list[str]]:
    """Return the lines that a diff adds, by file."""
    files: dict[str, list[str]] = {}
    name = ""
    for line in diff.splitlines():
        if line.startswith("+++ "):
            name = line.removeprefix("+++ b/")
        elif line.startswith("+"):
            files.setdefault(name, []).append(line[1:])
    return files
