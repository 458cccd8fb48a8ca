"""Yours: a real SIGKILL at every moment of the demo, after which nothing is lost or done twice.

Put your own script, the files that your tools read and your own effects in the place of these.
"""

import shutil
from pathlib import Path

from ..engine.sweep import ROOT, Scenario, sweep

SAMPLE = Path("sample/assistant")


def copy_sample() -> None:
    SAMPLE.mkdir(parents=True, exist_ok=True)
    shutil.copy(ROOT / SAMPLE / "notes.json", SAMPLE)


def effects() -> list[str]:
    """Return what the tools did to the world: reading a note does nothing."""
    return []


DEMO = Scenario(ROOT / SAMPLE / "demo.jsonl", prepare=copy_sample, effects=effects)


def test_a_kill_at_any_moment_repeats_and_loses_nothing(tmp_path: Path) -> None:
    assert sweep(DEMO, tmp_path) == []
