"""What holds for every log, reply and order of events, tried more often than an owner would."""

import pytest

from .conftest import Agent

pytestmark = [pytest.mark.slow, pytest.mark.nightly]

PATIENCE_S = 3600
SEEDS = 5000


@pytest.mark.parametrize(
    ("variant", "examples", "tests"),
    [
        ("full", 500, "-m hypothesis --ignore-glob=*fuzz* tests/engine"),
        ("full", 4000, "-k fuzz tests/engine"),
        ("full", 1000, "tests/engine/http/test_machine.py"),
        ("distributed", 1000, "tests/engine/stores/postgres/test_agreement.py"),
    ],
)
def test_what_the_engine_promises_holds_for_many_examples(
    variant: str, examples: int, tests: str, request: pytest.FixtureRequest
) -> None:
    full: Agent = request.getfixturevalue(variant)
    agent = Agent(full.path, full.environment | {"EXAMPLES": str(examples)})
    command = f"uv run pytest -q -p no:cacheprovider {tests}"
    assert " passed" in agent.run(command, timeout_s=PATIENCE_S)


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
