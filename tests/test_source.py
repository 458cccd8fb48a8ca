import os
import re
import shlex
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from create_12_factor_agent import source
from create_12_factor_agent.errors import UserError

from .conftest import ROOT, checked_in, tree


class Installed:
    """What `importlib.metadata` knows of an installation."""

    def __init__(self, version: str = "1.2.3", origin: str | None = None) -> None:
        self.version = version
        self._origin = origin

    def read_text(self, name: str) -> str | None:
        return self._origin if name == "direct_url.json" else None


def installed(monkeypatch: pytest.MonkeyPatch, distribution: Installed) -> None:
    monkeypatch.setattr(metadata, "distribution", lambda _: distribution)


@pytest.fixture
def _wheel(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "template").mkdir()
    (tmp_path / "copier.yml").touch()
    monkeypatch.setattr(source, "_WHEEL", tmp_path)


def test_the_address_comes_from_the_project_urls() -> None:
    assert source.url() == ("https://github.com/create-12-factor-agent/create-12-factor-agent.git")


@pytest.mark.usefixtures("_wheel")
@pytest.mark.parametrize(
    ("version", "ref"),
    [
        ("1.2.3", "v1.2.3"),
        ("1.2.4.dev3+g0a1b2c3d4", "0a1b2c3d4"),
        ("1.2.4.dev3+g0a1b2c3d4.d20260102", "1.2.4.dev3+g0a1b2c3d4.d20260102"),
        ("0.1.0.dev0", "0.1.0.dev0"),
    ],
)
def test_only_a_release_claims_to_be_a_tag(
    monkeypatch: pytest.MonkeyPatch, version: str, ref: str
) -> None:
    installed(monkeypatch, Installed(version))
    assert source.ref() == ref


def test_a_checkout_says_where_it_stands(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    checkout = _checkout(tmp_path)
    monkeypatch.setattr(source, "_CHECKOUT", checkout)
    commit = _git(checkout, "rev-parse", "--short", "HEAD")
    assert source.ref() == commit
    (checkout / "copier.yml").write_text("# changed")
    assert source.ref() == f"{commit}-dirty"
    _git(checkout, "commit", "--quiet", "--all", "--message", "two")
    _git(checkout, "tag", "v9.9.9")
    assert source.ref() == "v9.9.9"


def test_a_checkout_without_git_says_its_version(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "outer/inner/template").mkdir(parents=True)
    (tmp_path / "outer/inner/copier.yml").touch()
    _git(tmp_path / "outer", "init", "--quiet")
    monkeypatch.setattr(source, "_CHECKOUT", tmp_path / "outer/inner")
    installed(monkeypatch, Installed("0.1.0.dev0"))
    assert source.ref() == "0.1.0.dev0"


def test_copier_is_given_a_plain_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    checkout = _checkout(tmp_path)
    monkeypatch.setattr(source, "_CHECKOUT", checkout)
    (checkout / "template/new.py").touch()
    with source.template() as folder:
        assert not (folder / ".git").exists()
        assert (folder / "template/new.py").is_file()
    assert not folder.exists()


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
    monkeypatch: pytest.MonkeyPatch, origin: str | None, launcher: str
) -> None:
    installed(monkeypatch, Installed(origin=origin))
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


def test_the_wheel_makes_what_the_checkout_makes(copy: Path, tmp_path: Path) -> None:
    module = (sys.executable, "-m", "create_12_factor_agent")
    checkout = _new(tmp_path / "checkout", *module, PYTHONPATH=str(copy / "src"))
    assert _new(tmp_path / "wheel", "uvx", "--from", str(copy), source.NAME) == checkout


def test_uvx_renders_today_s_template(copy: Path, tmp_path: Path) -> None:
    uvx = ("uvx", "--from", str(copy), source.NAME)
    before = _new(tmp_path / "before", *uvx)
    (copy / "template/.github/new").write_text("hidden and new")
    answer = {".github/new": b"hidden and new"}
    assert _new(tmp_path / "after", *uvx) == before | answer
    with (copy / "copier.yml").open("a") as file:
        file.write("  - .github/new\n")
    assert _new(tmp_path / "without", *uvx) == before


def _checkout(folder: Path) -> Path:
    checkout = folder / "checkout"
    (checkout / "template").mkdir(parents=True)
    (checkout / "template/one.py").touch()
    (checkout / "copier.yml").touch()
    _git(checkout, "init", "--quiet")
    _git(checkout, "add", "--all")
    _git(checkout, "commit", "--quiet", "--message", "one")
    return checkout


def _git(folder: Path, *arguments: str) -> str:
    identity = shlex.split("-c user.name=n -c user.email=e@localhost")
    ran = subprocess.run(
        ["git", *identity, *arguments], cwd=folder, capture_output=True, text=True, check=True
    )
    return ran.stdout.strip()
