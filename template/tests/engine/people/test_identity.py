"""Who is who, and where each is reached."""

import getpass
from pathlib import Path

import pytest

from agent.engine.log.errors import Misconfigured
from agent.engine.people.identity import (
    check_agents,
    choose_agent,
    find_channels,
    find_identities,
    find_local_user,
    resolve_person,
)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("AGENT_USER", "PEOPLE_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


PEOPLE = """
[ana]
cli = "ana"
slack = ["U1", "U2"]

[bob]
email = "bob@example.org"
slack = "U3"
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
    assert resolve_person(kind, identity) == actor


def test_without_the_file_everybody_is_called_by_their_kind() -> None:
    assert resolve_person("slack", "U1") == "slack:U1"


def test_the_file_may_be_elsewhere(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "elsewhere.toml").write_text(PEOPLE)
    monkeypatch.setenv("PEOPLE_FILE", "elsewhere.toml")
    assert resolve_person("slack", "U1") == "ana"


@pytest.mark.parametrize(
    "text", ["[ana", 'ana = "U1"', 'ana = ["U1"]', "\udcff", "x = " + "[" * 2_000], ids=range(5)
)
def test_a_broken_file_is_named(text: str, folder: Path) -> None:
    (folder / "people.toml").write_text(text, errors="surrogateescape")
    with pytest.raises(Misconfigured, match=r"people\.toml"):
        resolve_person("slack", "U1")


def test_people_read_nothing_of_where_the_file_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A request or a thread may fail with it."""
    file = tmp_path / "who.toml"
    monkeypatch.setenv("PEOPLE_FILE", str(file))
    for text in ("[ana", 'ana = "U1"', "[anyone]\nslack = 'U1'"):
        file.write_text(text)
        with pytest.raises(Misconfigured) as raised:
            resolve_person("slack", "U1")
        assert not [part for part in file.parts if part in str(raised.value)]
        assert raised.value.__notes__ == [f"The file is {str(file)!r}."]


def test_the_local_user_is_who_logged_in_or_who_says_so(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "people.toml").write_text(PEOPLE)
    monkeypatch.setattr(getpass, "getuser", lambda: "eve")
    assert find_local_user() == "cli:eve"
    monkeypatch.setenv("AGENT_USER", "root")
    assert find_local_user() == "bob"


@pytest.mark.parametrize(
    ("name", "kind", "known"),
    [
        ("ana", "slack", ["U1", "U2"]),
        ("ana", "email", []),
        ("bob", "email", ["bob@example.org"]),
        ("slack:U9", "slack", ["U9"]),
        ("slack:U9", "email", []),
        ("eve", "slack", []),
    ],
)
def test_a_channel_knows_people_by_their_identities(
    name: str, kind: str, known: list[str], folder: Path
) -> None:
    (folder / "people.toml").write_text(PEOPLE)
    assert find_identities(name, kind) == known


@pytest.mark.parametrize(
    ("name", "ways"),
    [("bob", ["email", "slack"]), ("ana", ["slack"]), ("email:x@y", ["email"]), ("eve", [])],
)
def test_people_are_reached_by_the_channels_that_are_here_in_their_own_order(
    name: str, ways: list[str], folder: Path
) -> None:
    (folder / "people.toml").write_text(PEOPLE)
    assert find_channels(name, {"poll", "slack", "email"}) == ways
    assert find_channels(name, {"poll"}) == []


AGENTS = """
[agents.rollback]
slack = ["C7", "C8"]
email = "rollback@example.org"
"""


@pytest.mark.parametrize(
    ("kind", "places", "agent"),
    [
        ("slack", ["C8"], "rollback"),
        ("slack", ["C1"], ""),
        ("slack", ["rollback@example.org"], ""),
        ("email", ["deploy@example.org", "rollback@example.org"], "rollback"),
        ("email", [], ""),
    ],
)
def test_the_file_says_which_agent_is_meant_where(
    kind: str, places: list[str], agent: str, folder: Path
) -> None:
    (folder / "people.toml").write_text(PEOPLE + AGENTS)
    assert choose_agent(kind, places) == agent


def test_the_table_of_agents_is_not_a_person(folder: Path) -> None:
    (folder / "people.toml").write_text(PEOPLE + AGENTS)
    assert resolve_person("rollback", "C7") == "rollback:C7"
    assert find_identities("agents", "slack") == []


def test_an_agent_of_the_file_that_is_not_in_app_py_is_named(folder: Path) -> None:
    (folder / "people.toml").write_text(AGENTS)
    check_agents(["deploy", "rollback"])
    with pytest.raises(
        Misconfigured, match=r"\[agents\.rollback\]: app\.py has no agent 'rollback'"
    ):
        check_agents(["deploy"])
