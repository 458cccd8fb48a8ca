"""A mutant of the emitted log and loop turns a test red, or is listed with a reason."""

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from .conftest import Agent
from .mutants import ENGINE, Mutant, Name, list_files, list_mutants, list_survivors

RUNNER = Path(__file__).with_name("mutants_runner.py")


def read_mutants(file: str) -> list[Mutant]:
    return list_mutants(file, (ENGINE / file).read_text("utf-8"))


# -- at night --------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def agent(full: Agent, tmp_path_factory: pytest.TempPathFactory) -> Agent:
    """Return an agent of our own, with what measures which test runs which line."""
    copy = full.copy(tmp_path_factory.mktemp("mutants") / "my-agent")
    copy.run("uv pip install --quiet coverage")
    return copy


@pytest.fixture(scope="session")
def trace(agent: Agent) -> Path:
    """Return the file that says which tests run each line, and how long they take."""
    path = agent.path.with_name("trace.json")
    run(agent, "trace", str(path), *list_files())
    return path


def run(agent: Agent, *arguments: str, given: str = "") -> str:
    ran = subprocess.run(
        [agent.path / ".venv/bin/python", RUNNER, *arguments],
        cwd=agent.path, env=agent.environment | {"PYTHONDONTWRITEBYTECODE": "1"},
        input=given, stdout=subprocess.PIPE, text=True, check=True,
    )  # fmt: skip
    return ran.stdout


def find_survivors(agent: Agent, trace: Path, mutants: Sequence[Mutant]) -> list[Name]:
    """Return the mutants that turn no test of the agent red."""
    jobs = [{"file": each.name.file, "line": each.line, "text": each.text} for each in mutants]
    ran = run(agent, "try", str(trace), given=json.dumps(jobs))
    tried = [json.loads(line) for line in ran.splitlines()]
    assert len(tried) == len(mutants)
    return [mutants[each["number"]].name for each in tried if not each["red"]]


@pytest.mark.nightly
@pytest.mark.parametrize("file", list_files())
def test_a_mutant_turns_a_test_red_unless_it_is_listed(
    file: str, agent: Agent, trace: Path
) -> None:
    listed = {survivor.name for survivor in list_survivors()}
    mutants = [mutant for mutant in read_mutants(file) if mutant.name not in listed]
    assert find_survivors(agent, trace, mutants) == []


@pytest.mark.nightly
@pytest.mark.parametrize("line", [1, 150], ids=["the module", "a function"])
def test_what_was_not_changed_turns_no_test_red(line: int, agent: Agent, trace: Path) -> None:
    """Tried as a mutant of the module, which is imported anew, and of one of its functions."""
    text = (ENGINE / "log/thread.py").read_text("utf-8")
    unchanged = Mutant(Name("log/thread.py", "", "", ""), line, text)
    assert find_survivors(agent, trace, [unchanged]) == [unchanged.name]


# -- always ----------------------------------------------------------------------------------


def test_each_survivor_is_listed_once_and_is_a_mutant_of_the_code_today() -> None:
    names = [survivor.name for survivor in list_survivors()]
    assert sorted(names) == sorted(set(names))
    mutants = {mutant.name for file in list_files() for mutant in read_mutants(file)}
    assert [name for name in names if name not in mutants] == []


CODE = '''
def cap(self, size: int = 3) -> "Size":
    """Cut it."""
    if self.text and size > 0:
        raise ValueError("that is too long")
    return f(size + 1, self, lazy=True)
'''


def test_the_mutants_of_a_function() -> None:
    mutants = list_mutants("module.py", CODE)
    assert {mutant.name.where for mutant in mutants} == {"cap"}
    assert [mutant.name.new for mutant in mutants] == [
        'def cap(self, size: int = 4) -> "Size":',
        "if (self.text or size > 0):",
        "if (size > 0):",
        "if (self.text):",
        "if self.text and (size >= 0):",
        "if self.text and size > 1:",
        "pass",
        "return None",
        "return f(self, size + 1, lazy=True)",
        "return f((size - 1), self, lazy=True)",
        "return f(size + 2, self, lazy=True)",
        "return f(size + 1, self, **{})",
        "return f(size + 1, self, lazy=False)",
    ]
    for mutant in mutants:
        changed = "".join(mutant.text.split()) != "".join(CODE.split())
        assert changed
        assert mutant.name.old in " ".join(CODE.split())


@pytest.mark.parametrize(
    "code",
    ['"""A module."""', "import os", "Action = Run | Ask", "at: int | None", 'raise f"{1}"'],
)
def test_a_text_for_people_and_a_type_have_no_mutants(code: str) -> None:
    assert [
        each.name.new for each in list_mutants("module.py", code) if each.name.new != "pass"
    ] == []
