"""Signing in on clouds, with the packages that an owner adds for it."""

from pathlib import Path

import pytest

from .conftest import Agent

pytestmark = [pytest.mark.slow, pytest.mark.nightly]


def test_bedrock_and_vertex_are_signed_in_to(full: Agent, tmp_path: Path) -> None:
    agent = full.copy(tmp_path / "agent")
    agent.run("uv add --quiet anthropic[bedrock,vertex]")
    tests = "tests/engine/llms/test_anthropic.py tests/engine/llms/test_platforms.py"
    said = agent.run(f".venv/bin/python -m pytest -q -rs -p no:cacheprovider {tests}")
    assert "SKIPPED" not in said
