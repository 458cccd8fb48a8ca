"""What holds for every log, reply and order of events, tried more often than an owner would."""

from pathlib import Path

import pytest

from .conftest import Agent

pytestmark = [pytest.mark.slow, pytest.mark.nightly]

FEW = "max_examples=30, deadline=None, derandomize=True"
MANY = "max_examples=500, deadline=None, derandomize=False, print_blob=True"
PATIENCE_S = 3600
SEEDS = 5000


def test_what_the_engine_promises_holds_for_many_examples(full: Agent, tmp_path: Path) -> None:
    agent = full.copy(tmp_path / "my-agent")
    profile = agent.path / "tests/engine/examples.py"
    text = profile.read_text("utf-8")
    assert FEW in text
    profile.write_text(text.replace(FEW, MANY), "utf-8")
    assert " passed" in agent.run(
        "uv run pytest -q -m hypothesis tests/engine", timeout_s=PATIENCE_S
    )


def test_the_engine_keeps_its_promises_in_thousands_of_simulated_worlds(
    full: Agent, request: pytest.FixtureRequest
) -> None:
    """Each `--seed` has others; those of the suite come first."""
    first = 1 + SEEDS * request.config.getoption("--seed")
    seeds = {"SIMULATION_SEEDS": f"{first}-{first + SEEDS - 1}"}
    agent = Agent(full.path, full.environment | seeds)
    assert f"{SEEDS} passed" in agent.run(
        "uv run pytest -q -p no:cacheprovider tests/engine/simulation/test_simulation.py"
        " -k whatever_fails",
        timeout_s=PATIENCE_S,
    )
