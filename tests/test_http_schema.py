"""The HTTP API of a rendered agent, tried by schemathesis: too heavy for every agent to carry."""

import shutil
from pathlib import Path

import pytest

from .conftest import ROOT, Agent

pytestmark = [pytest.mark.slow, pytest.mark.nightly]

ROUTES = 14


def test_schemathesis_finds_nothing(full: Agent, tmp_path: Path) -> None:
    suite = tmp_path / "test_http_schema.py"
    shutil.copy(ROOT / "tests/http_schema.py", suite)
    agent = Agent(full.path, full.environment | {"SQLITE_PATH": str(tmp_path / "threads.db")})
    ran = agent.run(
        f"uv run --with schemathesis>=4.32,<5 pytest -q -c pyproject.toml {suite}", timeout_s=300
    )
    assert f"{ROUTES} passed" in ran
