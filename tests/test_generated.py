"""What people get: rendered agents pass their own checks and tests, as their owners run them."""

import tomllib
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import yaml

from create_12_factor_agent import answers, generate

from .conftest import FULL, ROOT, Agent, make, outside, tree

VARIANTS: dict[str, dict[str, Any]] = {
    "no model, docker": {"llm": [], "extra": ["docker"]},
    "openai, no extra": {"llm": ["openai"], "extra": []},
    "two models, ci": {"llm": ["anthropic", "gemini"], "extra": ["ci"]},
    "postgres only": {"llm": [], "store": "postgres", "extra": []},
}
"""Every pair of answers is in one of them, in the full or in the distributed one."""

CHECKS = ("ruff format --check", "ruff check", "mypy", "lint-imports")


@pytest.fixture(scope="session", params=["full", "distributed", *VARIANTS])
def agent(request: pytest.FixtureRequest) -> Iterator[Agent]:
    if request.param not in VARIANTS:
        yield request.getfixturevalue(request.param)
        return
    with outside() as folder:
        yield make(folder / "my-agent", VARIANTS[request.param])


@pytest.mark.parametrize("check", CHECKS)
def test_its_own_checks_pass(agent: Agent, check: str) -> None:
    agent.run(f"uv run {check}")


def test_its_own_tests_pass_and_need_nothing_of_ours(agent: Agent) -> None:
    ours, aside = agent.path / ".copier-answers.yml", agent.path.parent / "aside"
    ours.rename(aside)
    try:
        assert " passed" in agent.run("uv run pytest -q")
    finally:
        aside.rename(ours)
    installed = agent.run("uv pip list").lower()
    assert "copier" not in installed
    assert "create-12-factor-agent" not in installed


def test_a_model_that_was_not_chosen_can_be_added(agent: Agent) -> None:
    for name in FULL["llm"]:
        if not (agent.path / f"src/agent/llms/{name}.py").exists():
            asked = Agent(agent.path, agent.environment | {"MODEL": f"{name}:any"})
            with pytest.raises(AssertionError, match=f"create-12-factor-agent add {name}"):
                asked.run("uv run agent run hello")


@pytest.mark.parametrize("mark", ["crash", "server"])
def test_its_crash_and_server_tests_pass(full: Agent, mark: str) -> None:
    assert " passed" in full.run(f"uv run pytest -q -m {mark}", timeout_s=420)


def test_its_workers_and_their_database_may_be_killed(distributed: Agent) -> None:
    assert " passed" in distributed.run("uv run pytest -q -m crash tests/runners", timeout_s=420)


def test_the_default_answers_choose_every_part_but_one_model_of_several() -> None:
    """Else the default agent would need the crash and server suites of its own."""
    questions = yaml.safe_load((ROOT / "copier.yml").read_text())
    assert {name: questions[name]["default"] for name in FULL} == FULL | {"llm": ["openai"]}


def test_its_python_is_checked_in_place_too(full: Agent) -> None:
    """By the rules of the rendered agent, over the very files that are copied into it."""
    template = ROOT / "template"
    rules = f"--config {full.path / 'pyproject.toml'}"
    full.run(f"uv run ruff check {rules} --no-cache {template}")
    full.run(f"uv run ruff format --check {rules} --no-cache {template}")


def test_the_rendered_python_is_the_template_s(full: Agent) -> None:
    rendered = tree(full.path / "src") | tree(full.path / "tests")
    for folder in ("src", "tests"):
        for path in (ROOT / "template" / folder).rglob("*.py"):
            assert rendered[path.relative_to(ROOT / "template" / folder).as_posix()] == (
                path.read_bytes()
            )


def test_it_installs_little(full: Agent, tmp_path: Path) -> None:
    agent = Agent(tmp_path / "my-agent", full.environment)
    generate.new(agent.path, answers.check({}), ask=False)
    agent.run("uv sync --quiet --no-dev")
    site = next((agent.path / ".venv/lib").glob("python*/site-packages"))
    packages = list(site.glob("*.dist-info"))
    size = sum(file.stat().st_size for file in site.rglob("*") if file.is_file())
    assert len(packages) - 1 <= 35  # without itself
    assert size <= 60_000_000


def test_no_project_may_be_called_like_one_of_its_packages(full: Agent, distributed: Agent) -> None:
    locks = [tomllib.loads((one.path / "uv.lock").read_text()) for one in (full, distributed)]
    packages = {package["name"] for lock in locks for package in lock["package"]} - {"my-agent"}
    reserved = yaml.safe_load((ROOT / "copier.yml").read_text())["reserved_names"]["default"]
    assert packages - set(reserved) == set()


@pytest.mark.parametrize(
    ("llm", "extra", "store", "runner"),
    [
        (*one, *where)
        for one in (
            *product(["none", "openai"], ["none", "docker", "ci", "ci,docker"]),
            *product(["anthropic", "gemini", "anthropic,gemini"], ["none"]),
        )
        for where in (("sqlite", "local"), ("postgres", "local"), ("postgres", "procrastinate"))
    ],
)
def test_every_combination_has_the_files_of_its_parts_and_no_more(
    tmp_path: Path, llm: str, extra: str, store: str, runner: str
) -> None:
    given = {"llm": llm, "extra": extra, "store": store, "runner": runner}
    made = generate.new(tmp_path / "a", answers.check(given), ask=False)
    files = " ".join(made.files)
    for name in ("anthropic", "gemini", "openai"):
        assert (f"llms/{name}.py" in files) == (name in llm)
        assert (f"llms/test_{name}.py" in files) == (name in llm)
    for name in ("ladder", "providers", "test_providers"):
        assert (f"llms/{name}.py" in files) == (llm != "none")
    assert ("postgres" in files) == (store == "postgres")
    assert ("procrastinate" in files) == (runner == "procrastinate")
    assert "stores/sqlite.py" in files
    assert "runners/local.py" in files
    assert ("Dockerfile" in files) == ("compose.yaml" in files) == ("docker" in extra)
    assert (".github/" in files) == ("ci" in extra)
