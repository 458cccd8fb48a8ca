"""Hypothesis as every test uses it: the same examples on every machine, and no file left behind.

`EXAMPLES=500 uv run pytest …` tries other examples each time, and so many of them.
"""

import os

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

__all__ = ["given", "scale", "settings", "st"]

USUAL = 30
EXAMPLES = int(os.environ.get("EXAMPLES", USUAL))

settings.register_profile(
    "fast", max_examples=EXAMPLES, deadline=None, derandomize="EXAMPLES" not in os.environ,
    database=None)  # fmt: skip
settings.load_profile("fast")


def scale(examples: int, steps: int = 50) -> settings:
    """Return settings for a test that needs more or fewer examples than others.

    `EXAMPLES` scales them too. The examples of one test share its fixtures.
    """
    most = max(1, examples * EXAMPLES // USUAL)
    shared = [HealthCheck.function_scoped_fixture]
    return settings(max_examples=most, stateful_step_count=steps, suppress_health_check=shared)
