"""What `--minimal` makes: it runs in a terminal, and installs nothing of the web."""

import tomllib

import pytest

from create_12_factor_agent import catalog

from .conftest import Agent, make

pytestmark = pytest.mark.slow

WEB = {"fastapi", "uvicorn", "starlette", "jinja2", "markupsafe"}


@pytest.fixture(scope="module")
def minimal(tmp_path_factory: pytest.TempPathFactory) -> Agent:
    path = tmp_path_factory.mktemp("minimal") / "my-agent"
    return make(path, catalog.minimal())


def test_its_lock_has_no_package_of_the_web(minimal: Agent) -> None:
    lock = tomllib.loads((minimal.path / "uv.lock").read_text("utf-8"))
    packages = {package["name"] for package in lock["package"]}
    assert "pydantic" in packages
    assert packages & WEB == set()


def test_its_demo_runs(minimal: Agent) -> None:
    shown = minimal.run("uv run --no-dev agent demo")
    assert '→ {"deployed": "v1.2.3", "environment": "production"}' in shown


def test_no_command_serves_and_a_worker_runs_the_threads(minimal: Agent) -> None:
    commands = minimal.run("uv run agent --help")
    assert "worker" in commands
    assert "serve" not in commands


@pytest.mark.nightly
@pytest.mark.parametrize("check", ["ruff format --check", "ruff check", "mypy", "lint-imports"])
def test_its_own_checks_pass(minimal: Agent, check: str) -> None:
    minimal.run(f"uv run {check}")
