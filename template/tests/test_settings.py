"""Settings: the environment wins, and what is missing is named."""

import getpass
from pathlib import Path

import pytest

from agent.errors import Misconfigured
from agent.settings import load, local_user, name_of, optional, required


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("AGENT_USER", "PEOPLE_FILE", "SOME_SETTING"):
        monkeypatch.setenv(name, "")  # so that it is put back whatever a test loads
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_env_file_of_the_working_folder_is_read(folder: Path) -> None:
    (folder / ".env").write_text("SOME_SETTING=from the file\n")
    assert optional("SOME_SETTING", "default") == "default"
    load()
    assert required("SOME_SETTING", "") == "from the file"


def test_the_environment_wins(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / ".env").write_text("SOME_SETTING=from the file\n")
    monkeypatch.setenv("SOME_SETTING", "from the environment")
    load()
    assert optional("SOME_SETTING") == "from the environment"


def test_no_env_file_is_no_error() -> None:
    load()


@pytest.mark.parametrize("value", [None, "", "  "])
def test_a_setting_that_is_missing_or_empty_is_named_with_a_hint(
    value: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    if value is not None:
        monkeypatch.setenv("SOME_SETTING", value)
    assert optional("SOME_SETTING", "default") == "default"
    with pytest.raises(Misconfigured, match=r"^SOME_SETTING is not set\. Get one at"):
        required("SOME_SETTING", "Get one at example.org.")


PEOPLE = """
[ana]
cli = "ana"
slack = ["U1", "U2"]

[bob]
cli = ["bob", "root"]
"""


@pytest.mark.parametrize(
    ("kind", "identity", "actor"),
    [
        ("cli", "ana", "ana"),
        ("slack", "U2", "ana"),
        ("cli", "root", "bob"),
        ("slack", "ana", "slack:ana"),
        ("slack", "U", "slack:U"),
        ("email", "ana", "email:ana"),
        ("cli", "", "cli:"),
    ],
)
def test_people_are_known_by_the_name_that_the_file_gives_them(
    kind: str, identity: str, actor: str, folder: Path
) -> None:
    (folder / "people.toml").write_text(PEOPLE)
    assert name_of(kind, identity) == actor


def test_without_the_file_everybody_is_called_by_their_kind() -> None:
    assert name_of("slack", "U1") == "slack:U1"


def test_the_file_may_be_elsewhere(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "elsewhere.toml").write_text(PEOPLE)
    monkeypatch.setenv("PEOPLE_FILE", "elsewhere.toml")
    assert name_of("slack", "U1") == "ana"


@pytest.mark.parametrize("text", ["[ana", 'ana = "U1"', "\udcff"])
def test_a_broken_file_is_named(text: str, folder: Path) -> None:
    (folder / "people.toml").write_text(text, errors="surrogateescape")
    with pytest.raises(Misconfigured, match=r"people\.toml"):
        name_of("slack", "U1")


def test_the_local_user_is_who_logged_in_or_who_says_so(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "people.toml").write_text(PEOPLE)
    monkeypatch.setattr(getpass, "getuser", lambda: "eve")
    assert local_user() == "cli:eve"
    monkeypatch.setenv("AGENT_USER", "root")
    assert local_user() == "bob"
