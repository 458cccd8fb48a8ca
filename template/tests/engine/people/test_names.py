"""Whom an agent asks is checked before anything runs."""

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agent.engine.log.errors import Misconfigured
from agent.engine.people.identity import PeopleFile
from agent.engine.people.names import check_agents, check_names

FILE = """
[ana]
cli = "ana"

[bob]
cli = "bob"

[teams]
leads = ["ana", "bob"]
empty = []
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "people.toml").write_text(FILE)
    monkeypatch.setenv("PEOPLE_FILE", str(tmp_path / "people.toml"))
    monkeypatch.setenv("API_TOKENS", "crm:a-token, eve:another-token")
    return tmp_path


@pytest.fixture
def write(folder: Path) -> Callable[[str], Callable[..., Any]]:
    """Return a function that writes a module with this code and returns its `decide`."""

    def write(code: str) -> Callable[..., Any]:
        path = folder / "control_flow.py"
        path.write_text(f"def decide(step, thread):\n    return {code}\n")
        spec = importlib.util.spec_from_file_location("control_flow", path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        decide: Callable[..., Any] = module.decide
        return decide

    return write


Write = Callable[[str], Callable[..., Any]]


@pytest.mark.parametrize(
    ("name", "members"),
    [
        ("ana", ("ana",)),
        ("leads", ("ana", "bob")),
        ("eve", ("eve",)),  # she has a token
        ("slack:U1", ("slack:U1",)),
        ("cli:somebody", ("cli:somebody",)),
        ("empty", ()),
        ("leed", ()),
        ("hook:builds", ("hook:builds",)),
        ("hook:", ()),
        ("", ()),
    ],
)
def test_a_name_is_a_person_or_the_people_of_a_team(name: str, members: tuple[str, ...]) -> None:
    assert PeopleFile().find_members(name) == members


@pytest.mark.parametrize(
    "code",
    [
        'Run(f, approvers=("ana", "leads", "owner", "anyone"))',
        'Ask("leed?", audience=("eve",), escalate=("ana",))',
        'Run(f, approvers=("ana",) if step.to == "leed" else ())',
        'Run(f, approvers=(*NAMES, "ana"))',
        "Run(f, approvers=find(step))",
    ],
)
def test_names_that_are_known_or_computed_are_fine(code: str, write: Write) -> None:
    check_names(PeopleFile(), "deploy", write(code), ("leads", "anyone"))


@pytest.mark.parametrize(
    "code",
    [
        'Run(f, approvers=("leed",))',
        'Run(f, approvers=["ana", "leed"])',
        'Ask("?", audience=("leed",))',
        'Ask("?", escalate=("leed",))',
        'Run(f, approvers=("ana",) if step.big else ("leed",))',
        'Run(f, approvers=(*NAMES, "leed"))',
        'Run(f, approvers=("ana",) + ("leed",))',
    ],
)
def test_a_name_that_nobody_has_is_refused_with_its_place(code: str, write: Write) -> None:
    with pytest.raises(Misconfigured, match=r"control_flow\.py:2: 'leed' is not a person or team"):
        check_names(PeopleFile(), "deploy", write(code), ("anyone",))


@pytest.mark.parametrize("name", ["leed", "empty", "owner"])
def test_somebody_has_to_be_responsible(name: str, write: Write) -> None:
    with pytest.raises(Misconfigured, match=f"'deploy' names as responsible: '{name}'"):
        check_names(PeopleFile(), "deploy", write("None"), (name,))


def test_code_without_a_file_is_not_checked() -> None:
    namespace: dict[str, Any] = {}
    exec('def decide(step, thread): return Run(f, approvers=("leed",))', namespace)
    check_names(PeopleFile(), "deploy", namespace["decide"], ("anyone",))
    check_names(PeopleFile(), "deploy", len, ("anyone",))


@pytest.mark.parametrize("name", ["ana", "owner", "anyone"])
def test_a_team_cannot_have_the_name_of_something_else(name: str, folder: Path) -> None:
    (folder / "people.toml").write_text(f'[ana]\ncli = "ana"\n[teams]\n{name} = ["ana"]\n')
    with pytest.raises(Misconfigured, match="is the name of something else"):
        PeopleFile().find_members("ana")


@pytest.mark.parametrize("name", ["anyone", "owner", "system", "cron"])
def test_a_person_cannot_have_a_reserved_name(name: str, folder: Path) -> None:
    (folder / "people.toml").write_text(f'[{name}]\ncli = "eve"\n')
    with pytest.raises(Misconfigured, match=f"\\[{name}\\]: this name is reserved"):
        PeopleFile().find_members("ana")


@pytest.mark.parametrize("member", ["anna", "others", "owner", "anyone"])
def test_a_team_is_made_of_people(member: str, folder: Path) -> None:
    teams = f'leads = ["ana", "{member}"]\nothers = ["ana"]'
    (folder / "people.toml").write_text(f'[ana]\ncli = "ana"\n[teams]\n{teams}\n')
    with pytest.raises(Misconfigured, match=f"'{member}' of 'leads' is not a person"):
        PeopleFile().find_members("ana")


@pytest.mark.parametrize(
    "code", ["Delegate('helper', task='x')", "Delegate(agent='helper', task=step.reason)", "1"]
)
def test_an_agent_that_is_delegated_to_has_to_exist(code: str, write: Write) -> None:
    check_agents(["test", "helper"], write(code))


@pytest.mark.parametrize(
    "code",
    ["Delegate('helper', task='x')", "actions.Delegate(task='x', agent='helper')",
     "Delegate('test' if step else 'helper', '')"],
)  # fmt: skip
def test_an_agent_that_does_not_exist_is_named_with_its_line(code: str, write: Write) -> None:
    with pytest.raises(Misconfigured, match=r"control_flow.py:2: app.py has no agent 'helper'"):
        check_agents(["test"], write(code))
