import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from create_12_factor_agent import source
from create_12_factor_agent.errors import UserError

from .conftest import ROOT, Installed, checked_in, tree


def test_the_address_comes_from_the_project_urls() -> None:
    assert source.url() == ("https://github.com/create-12-factor-agent/create-12-factor-agent.git")


def test_a_lost_template_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(source, "_CHECKOUT", tmp_path)
    with pytest.raises(UserError, match="lost its template"):
        source.folder()


@pytest.mark.parametrize(
    ("origin", "launcher"),
    [
        (None, "uvx create-12-factor-agent"),
        (
            '{"url": "file:///home/me/with%20space", "dir_info": {}}',
            "uvx --from '/home/me/with space' create-12-factor-agent",
        ),
        (
            '{"url": "https://host/r.git", "vcs_info": {"vcs": "git", "commit_id": "abc"}}',
            "uvx --from git+https://host/r.git@abc create-12-factor-agent",
        ),
        (
            '{"url": "https://host/a.whl", "archive_info": {}}',
            "uvx --from https://host/a.whl create-12-factor-agent",
        ),
    ],
)
def test_the_program_knows_how_it_was_started(
    installed: Installed, origin: str | None, launcher: str
) -> None:
    installed("1.2.3", origin)
    assert source.launcher() == launcher


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copy the checkout, without `.git` and without what tools left behind."""
    copy = tmp_path_factory.mktemp("plain") / "copy"
    for name in checked_in():
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        (copy / name).write_bytes((ROOT / name).read_bytes())
    return copy


def _new(folder: Path, *program: str, **variables: str) -> dict[str, bytes]:
    """Make an agent with a program; return its files, without the line that may differ."""
    folder.mkdir()
    quick = ("my-agent", "--yes", "--no-git", "--no-install")
    variables = dict(os.environ) | variables
    subprocess.run([*program, *quick], cwd=folder, env=variables, check=True, capture_output=True)
    files = tree(folder / "my-agent")
    answers = files[".copier-answers.yml"].decode()
    files[".copier-answers.yml"] = re.sub("^_commit: .*$", "", answers, flags=re.MULTILINE).encode()
    return files


@pytest.mark.slow
def test_the_wheel_makes_what_the_checkout_makes(copy: Path, tmp_path: Path) -> None:
    module = (sys.executable, "-m", "create_12_factor_agent")
    checkout = _new(tmp_path / "checkout", *module, PYTHONPATH=str(copy / "src"))
    assert _new(tmp_path / "wheel", "uvx", "--from", str(copy), source.NAME) == checkout


@pytest.mark.slow
def test_uvx_renders_today_s_template(copy: Path, tmp_path: Path) -> None:
    uvx = ("uvx", "--from", str(copy), source.NAME)
    before = _new(tmp_path / "before", *uvx)
    (copy / "template/.github/new").write_text("hidden and new")
    answer = {".github/new": b"hidden and new"}
    assert _new(tmp_path / "after", *uvx) == before | answer
    with (copy / "copier.yml").open("a") as file:
        file.write("  - .github/new\n")
    assert _new(tmp_path / "without", *uvx) == before
