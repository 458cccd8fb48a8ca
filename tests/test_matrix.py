"""Each pair of parts is in an agent that passes its own checks and tests, as its owner runs them.

A process that runs tests has one environment for all the variants it gets: uv brings it to what
each declares, and a package that none of it brings is missing. `--random N` draws N more variants.

By day these are the agents that have all parts between them, and the smallest; processes are killed
in the default one. At night it is all of them.
"""

import re
import shutil
import tomllib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
import yaml

from create_12_factor_agent import engine, project

from . import variants
from .conftest import RANDOM, ROOT, SEED, Agent, outside, owner_s_environment
from .menu import Answers

pytestmark = pytest.mark.slow

CHECKS = ("ruff format --check", "ruff check", "mypy", "lint-imports")
PATIENCE_S = 600

PLUGS_TOGETHER = re.compile(r"agent\.app\b|engine\.(main|build)\b|engine import .*\b(main|build)\b")
"""What a test says that starts at the composition root, the only code in which variants differ."""

Plan = Mapping[str, Mapping[str, list[str]]]
"""The files of the engine's tests that a variant runs, by its name and by the tests' mark."""


def rows(config: pytest.Config) -> list[Answers]:
    """Return a few variants that have every pair of parts, and as many others as are wanted."""
    drawn = variants.drawn(config.getoption(RANDOM), config.getoption(SEED))
    return [*variants.few(), *(one for one in drawn if one not in variants.few())]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "answers" not in metafunc.fixturenames:
        return
    killing = metafunc.function is test_its_crash_and_server_tests_pass
    wanted = variants.whole() if killing else rows(metafunc.config)
    most = variants.whole()[:1] if killing else [*variants.whole(), variants.SMALLEST]
    metafunc.parametrize(
        "answers",
        [
            pytest.param(
                answers,
                id=f"{variants.name(answers)}:",
                marks=[] if answers in most else [pytest.mark.nightly],
            )
            for answers in wanted
        ],
        indirect=True,
    )


@pytest.fixture(scope="session")
def plan(
    newest: Path, tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config
) -> Plan:
    """Share out the files of the engine's tests, in each process alike.

    A file is the same in each variant that has it, and imports nothing but such files: one that
    is missing would be an error of mypy's. It runs in the first of them. What starts at the
    composition root runs in all, with the tests beside it; and in what was drawn, everything.
    """
    known: dict[str, set[str]] = {"": set(), "crash": set(), "server": set()}
    shared_out: dict[str, dict[str, list[str]]] = {}
    for answers in rows(pytestconfig):
        path = tmp_path_factory.mktemp("variant")
        engine.render(newest, path, variants.with_suite(answers) | {"project_name": "my-agent"})
        if answers not in variants.few():
            known[""] = set()
        shared_out[variants.name(answers)] = {
            mark: _new(path, mark, files) for mark, files in known.items()
        }
    return shared_out


def _new(agent: Path, mark: str, known: set[str]) -> list[str]:
    """Return the files with tests of a mark that are not known, and make them known."""
    texts = {file: file.read_text("utf-8") for file in (agent / "tests/engine").rglob("*.py")}
    again = {file.parent for file, text in texts.items() if PLUGS_TOGETHER.search(text)}
    found = {
        file.relative_to(agent).as_posix(): file.parent in again
        for file, text in texts.items()
        if file.name.startswith("test_") and (not mark or f"mark.{mark}" in text)
    }
    again_too = not mark  # what kills processes takes long, and differs least
    new = sorted(
        name
        for name, runs_again in found.items()
        if (runs_again and again_too) or name not in known
    )
    known.update(found)
    return new


@pytest.fixture(scope="session")
def shared() -> Iterator[Path]:
    """Return where the variants come one after the other, with their environment."""
    with outside() as folder:
        yield folder


@pytest.fixture(scope="module")
def answers(request: pytest.FixtureRequest) -> Answers:
    return dict(request.param)


@pytest.fixture(scope="module")
def agent(answers: Answers, newest: Path, shared: Path) -> Agent:
    return installed(answers, newest, shared)


@pytest.fixture(scope="module")
def suite(agent: Agent, answers: Answers, newest: Path, shared: Path) -> Agent:
    """Return the same agent with all tests of the engine, which not every variant has."""
    if answers == (with_suite := variants.with_suite(answers)):
        return agent
    return installed(with_suite, newest, shared)


def installed(answers: Answers, template: Path, shared: Path) -> Agent:
    path = shared / "my-agent"
    shutil.rmtree(path, ignore_errors=True)
    engine.render(template, path, answers | {"project_name": "my-agent"})
    (path / project.ANSWERS).unlink()  # it needs nothing of ours
    environment = {
        "UV_PROJECT_ENVIRONMENT": str(shared / "environment"),
        "UV_NO_SYNC": "1",
        "MYPY_CACHE_DIR": str(shared / "types"),
    }
    agent = Agent(path, owner_s_environment() | environment)
    agent.run("uv sync --quiet --compile-bytecode")
    return agent


@pytest.fixture(autouse=True)
def _timed(request: pytest.FixtureRequest, record_property: Callable[[str, object], None]) -> None:
    if "answers" in request.fixturenames:
        record_property("variant", variants.name(request.getfixturevalue("answers")))


@pytest.mark.parametrize("check", CHECKS)
def test_its_own_checks_pass(agent: Agent, check: str) -> None:
    agent.run(f"uv run {check}")


def test_it_installs_nothing_of_ours_and_no_package_whose_name_a_project_may_have(
    agent: Agent,
) -> None:
    lock = tomllib.loads((agent.path / "uv.lock").read_text("utf-8"))
    packages = {package["name"] for package in lock["package"]} - {"my-agent"}
    reserved = yaml.safe_load((ROOT / "copier.yml").read_text("utf-8"))["reserved_names"]
    assert packages - set(reserved["default"]) == set()
    assert not packages & {"copier", "create-12-factor-agent"}


def test_its_own_tests_pass(agent: Agent) -> None:
    assert " passed" in agent.run("uv run pytest -q --ignore=tests/engine")


def test_the_tests_of_its_engine_pass(suite: Agent, answers: Answers, plan: Plan) -> None:
    passes(suite, "uv run pytest -q", plan[variants.name(answers)][""])


@pytest.mark.parametrize("mark", ["crash", "server"])
def test_its_crash_and_server_tests_pass(
    suite: Agent, answers: Answers, plan: Plan, mark: str
) -> None:
    passes(suite, f"uv run pytest -q -m {mark}", plan[variants.name(answers)][mark])


def passes(agent: Agent, command: str, files: list[str]) -> None:
    if not files:
        pytest.skip("nothing that is not tested in another variant")
    assert " passed" in agent.run(" ".join([command, *files]), timeout_s=PATIENCE_S)
