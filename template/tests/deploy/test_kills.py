"""Yours: a real SIGKILL at every moment of the demo, and every deployment happens once.

Put your own script, the files that your tools read and your own effects in the place of these.
"""

import shutil
from pathlib import Path

from agent.deploy.tools import DEPLOYED

from ..engine.sweep import ROOT, Scenario, sweep

SAMPLE = Path("sample/deploy")


def copy_sample() -> None:
    SAMPLE.mkdir(parents=True, exist_ok=True)
    shutil.copy(ROOT / SAMPLE / "git_tags.json", SAMPLE)


def deployments() -> dict[str, str]:
    """Return what was deployed where, and under which key."""
    files = sorted(DEPLOYED.glob("*.json"))
    return {file.stem: file.read_text("utf-8") for file in files}


DEMO = Scenario(ROOT / SAMPLE / "demo.jsonl", prepare=copy_sample, effects=deployments)


def test_a_kill_at_any_moment_repeats_and_loses_no_deployment(tmp_path: Path) -> None:
    assert sweep(DEMO, tmp_path).keys() == {"staging", "production"}
