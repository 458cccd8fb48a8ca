"""Which states of the template a program finds, and why it does not find the others."""

import re
from pathlib import Path

import pytest

from create_12_factor_agent import history, source
from create_12_factor_agent.errors import UsageError

from .conftest import Installed, Run
from .templates import FILES, commit, git

NEW: dict[str, str | None] = {"template/new.txt": "new"}


@pytest.fixture
def published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give what stands at the address of the template: three releases and a commit between."""
    folder = tmp_path / "published"
    for number, tag in enumerate(("v0.1.0", "v0.2.0", "", "v0.3.0")):
        commit(folder, FILES | {"template/new.txt": str(number)}, tag)
    _redirect(tmp_path / "settings", folder, monkeypatch)
    return folder


@pytest.fixture
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the address of the template be out of reach, as without a network."""
    _redirect(tmp_path / "settings", Path("/nowhere"), monkeypatch)


def _redirect(settings: Path, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    git(settings.parent, "config", "--file", str(settings), f"url.{place}.insteadOf", source.url())
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(settings))


@pytest.fixture
def bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, installed: Installed) -> Path:
    """Be the wheel of v0.3.0, built from a clone without v0.1.0."""
    wheel = tmp_path / "wheel/_template"
    for tag in ("v0.2.0", "v0.3.0"):
        commit(wheel, FILES | {"template/new.txt": tag}, tag)
    git(wheel, "bundle", "create", "--quiet", "../_template.bundle", "--all", "HEAD")
    monkeypatch.setattr(source, "_WHEEL", wheel)
    installed("0.3.0")
    return wheel.with_suffix(".bundle")


def _error(commit: str) -> UsageError:
    with pytest.raises(UsageError) as raised, history.since(source.url(), commit, newest=True):
        pass
    return raised.value


@pytest.mark.usefixtures("bundle", "nowhere")
def test_an_older_release_that_the_wheel_lacks_is_not_called_newer() -> None:
    error = _error("v0.1.0")
    assert error.problem == f"{source.NAME} 0.3.0 was built without the release v0.1.0."
    assert f"uvx {source.NAME}@latest" in error.hint
    assert "git fetch --unshallow --tags" in error.hint


@pytest.mark.usefixtures("bundle", "nowhere")
@pytest.mark.parametrize("tag", ["v0.3.1", "v0.10.0"])
def test_a_release_after_those_of_the_wheel_is_called_newer(tag: str) -> None:
    error = _error(tag)
    assert f"{tag}, which this repository is at, is newer than" in error.problem
    assert f"uvx {source.NAME}@latest" in error.hint


@pytest.mark.usefixtures("bundle")
@pytest.mark.parametrize("described", [False, True])
def test_a_commit_between_releases_is_looked_for_at_the_address(
    published: Path, described: bool
) -> None:
    ref = git(published, "rev-parse", "v0.3.0~1")
    ref = git(published, "describe", ref) if described else ref[:9]
    with history.since(source.url(), ref, newest=True) as past:
        assert past.old.read("template/new.txt") == "2"
        assert (past.before, past.after) == (ref, "v0.3.0")


@pytest.mark.usefixtures("bundle", "published")
def test_a_commit_that_was_never_published_is_not_called_newer() -> None:
    error = _error("0a1b2c3d4")
    assert error.problem == f"0a1b2c3d4 is no state of the template at {source.url()}."
    assert "or push this one" in error.hint


@pytest.mark.usefixtures("nowhere")
@pytest.mark.parametrize("version", ["0.1.0.dev0", "0.1.0.dev1+g0a1b2c3d4.d20260801"])
@pytest.mark.parametrize("command", ["update", "status", "doctor"])
def test_a_repository_of_an_unreleased_build_is_reported_as_such(
    project: Path, run: Run, command: str, version: str
) -> None:
    answers = (project / ".copier-answers.yml").read_text()
    stamped = f"_commit: {version}\n_src_path: {source.url()}\n"
    answers = re.sub("^_commit: .*\n_src_path: .*\n", stamped, answers, flags=re.MULTILINE)
    commit(project, {".copier-answers.yml": answers})
    ran = run(command)
    assert ran.code == (1 if command == "doctor" else 2)
    assert f"made by {version}, a build that is not a release" in ran.out + ran.err
    assert "`_commit`" in ran.out + ran.err


@pytest.mark.usefixtures("template")
def test_a_state_after_the_last_release_of_a_fork_is_not_compared_with_this_program(
    tmp_path: Path,
) -> None:
    commit(tmp_path / "fork", FILES, "v0.1.0")
    ahead = commit(tmp_path / "fork", NEW)
    with (
        pytest.raises(UsageError) as raised,
        history.since(str(tmp_path / "fork"), ahead, newest=True),
    ):
        pass
    assert raised.value.problem.endswith(f"is newer than v0.1.0 at {tmp_path / 'fork'}.")
    assert "@latest" not in raised.value.hint
