"""What holds for every log, reply and edit, tried on more examples than an owner would wait for."""

from pathlib import Path

import pytest

from .conftest import Agent

pytestmark = [pytest.mark.slow, pytest.mark.nightly]

FEW = "max_examples=30, deadline=None, derandomize=True"
MANY = "max_examples=500, deadline=None, derandomize=False, print_blob=True"
PATIENCE_S = 3600


def test_what_the_engine_promises_holds_for_many_examples(full: Agent, tmp_path: Path) -> None:
    agent = full.copy(tmp_path / "my-agent")
    profile = agent.path / "tests/engine/examples.py"
    text = profile.read_text("utf-8")
    assert FEW in text
    profile.write_text(text.replace(FEW, MANY), "utf-8")
    assert " passed" in agent.run(
        "uv run pytest -q -m hypothesis tests/engine", timeout_s=PATIENCE_S
    )
