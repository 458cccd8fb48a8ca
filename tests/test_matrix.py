"""Each pair of parts is in an agent that passes its own checks and tests, as its owner runs them.

One environment serves all: for each variant uv brings it to what that one declares, and a package
that none of it brings is missing. `--every-combination` takes all variants, not only a few.
"""

import shutil
import tomllib
from collections.abc import Callable, Iterator
from hashlib import sha256
from itertools import combinations
from pathlib import Path

import pytest
import yaml

from create_12_factor_agent import engine, project

from . import variants
from .conftest import EVERY, ROOT, Agent, outside, owner_s_environment, tree
from .variants import Answers

FEW = variants.few()
CHECKS = ("ruff format --check", "ruff check", "mypy", "lint-imports")

Seen = dict[object, str]
"""What was tested, and the variant that it was tested in."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "answers" not in metafunc.fixturenames:
        return
    rows = variants.few()
    if metafunc.function is test_its_crash_and_server_tests_pass:
        rows = variants.whole()
    elif metafunc.config.getoption(EVERY):
        rows += [one for one in variants.every() if one not in rows]
    metafunc.parametrize("answers", rows, ids=map(name, rows), indirect=True)


def name(answers: Answers) -> str:
    return "-".join(variants.chosen(answers))


@pytest.fixture(scope="module")
def answers(request: pytest.FixtureRequest) -> Answers:
    return dict(request.param)


@pytest.fixture(scope="module")
def shared() -> Iterator[Path]:
    """Return where the variants come one after the other, with their environment."""
    with outside() as folder:
        yield folder


@pytest.fixture(scope="module")
def seen() -> Seen:
    return {}


@pytest.fixture(scope="module")
def agent(answers: Answers, newest: Path, shared: Path, seen: Seen) -> Iterator[Agent]:
    path = shared / "my-agent"
    engine.render(newest, path, answers | {"project_name": "my-agent"})
    (path / project.ANSWERS).unlink()  # it needs nothing of ours
    environment = {
        "UV_PROJECT_ENVIRONMENT": str(shared / "environment"),
        "UV_NO_SYNC": "1",
        "MYPY_CACHE_DIR": str(shared / "types"),
    }
    try:
        other = seen.setdefault(_digest(path), name(answers))
        if other != name(answers):
            pytest.skip(f"the same code as {other}")
        agent = Agent(path, owner_s_environment() | environment)
        agent.run("uv sync --quiet --compile-bytecode")
        yield agent
    finally:
        shutil.rmtree(path)


@pytest.fixture(autouse=True)
def _timed(request: pytest.FixtureRequest, record_property: Callable[[str, object], None]) -> None:
    if "answers" in request.fixturenames:
        record_property("variant", name(request.getfixturevalue("answers")))


def test_each_pair_of_parts_is_tested_as_far_as_there_are_agents_with_it() -> None:
    every, few = ([variants.chosen(one) for one in rows] for rows in (variants.every(), FEW))
    for pair in combinations(variants.PARTS, 2):
        there, tested = (
            {tuple(part in parts for part in pair) for parts in rows} for rows in (every, few)
        )
        assert tested == there, pair


@pytest.mark.parametrize("check", CHECKS)
def test_its_own_checks_pass(agent: Agent, check: str) -> None:
    agent.run(f"uv run {check}")


def test_its_own_tests_pass(agent: Agent, answers: Answers, seen: Seen) -> None:
    files = _where_it_differs(agent, answers, "", seen)
    if answers == variants.DEFAULT:
        files = []  # all of them
    assert " passed" in agent.run(" ".join(["uv run pytest -q", *files]))


@pytest.mark.parametrize("mark", ["crash", "server"])
def test_its_crash_and_server_tests_pass(
    agent: Agent, answers: Answers, mark: str, seen: Seen
) -> None:
    files = _where_it_differs(agent, answers, mark, seen)
    command = " ".join([f"uv run pytest -q -m {mark}", *files])
    assert " passed" in agent.run(command, timeout_s=420)


def test_it_installs_nothing_of_ours_and_no_package_whose_name_a_project_may_have(
    agent: Agent,
) -> None:
    lock = tomllib.loads((agent.path / "uv.lock").read_text("utf-8"))
    packages = {package["name"] for package in lock["package"]} - {"my-agent"}
    reserved = yaml.safe_load((ROOT / "copier.yml").read_text("utf-8"))["reserved_names"]
    assert packages - set(reserved["default"]) == set()
    assert not packages & {"copier", "create-12-factor-agent"}


def _digest(path: Path) -> bytes:
    """Sum up what its checks and tests read of what differs between variants."""
    code = (item for item in sorted(tree(path).items()) if item[0].endswith((".py", ".toml")))
    return sha256(repr([*code]).encode()).digest()


def _where_it_differs(agent: Agent, answers: Answers, mark: str, seen: Seen) -> list[str]:
    """Return the test files with tests of that mark, without those that pass as they did before.

    A test file is the same bytes in each variant that has it, and imports nothing but such files:
    one that is missing would be an error of mypy's. Only the composition root differs, so
    tests beside whatever starts that run again.
    """
    texts = {file: file.read_text("utf-8") for file in (agent.path / "tests").rglob("*.py")}
    again = {file.parent for file, text in texts.items() if "agent.engine.main" in text}
    found = []
    for file, text in sorted(texts.items()):
        test = file.relative_to(agent.path).as_posix()
        if file.name.startswith("test_") and (not mark or f"mark.{mark}" in text):
            first = seen.setdefault((mark, test), name(answers)) == name(answers)
            found += [test] if first or file.parent in again else []
    return found
