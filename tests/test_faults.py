"""A suite that cannot go red proves nothing: each fault is seen by the test that should see it."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from .conftest import Agent
from .faults import FAULTS, Fault

ANY_MARK = ("-m", "")
FASTER = ("-q", "--tb=no", "-p", "no:cacheprovider", "-x")


def its_tests(agent: Agent, place: Path, *tests: str) -> subprocess.CompletedProcess[str]:
    """Run tests of a copy of the agent, with the agent's environment."""
    return subprocess.run(
        [agent.path / ".venv/bin/python", "-m", "pytest", *FASTER, *ANY_MARK, *tests],
        cwd=place,
        env=agent.environment | {"PYTHONPATH": str(place / "src")},
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip


@pytest.fixture
def copy(full: Agent, tmp_path: Path) -> Path:
    """Return a copy of its sources, with their byte code."""
    for folder in ("src", "tests"):
        shutil.copytree(full.path / folder, tmp_path / folder)
    shutil.copy(full.path / "pyproject.toml", tmp_path)
    return tmp_path


def test_without_a_fault_they_are_green(full: Agent, copy: Path) -> None:
    """Those that kill processes are seen green where the whole suite runs."""
    fast = {f"tests/{fault.red}" for fault in FAULTS if not fault.red.startswith("crash/")}
    ran = its_tests(full, copy, *sorted(fast))
    assert ran.returncode == 0, ran.stdout + ran.stderr


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_fault_turns_its_test_red(fault: Fault, full: Agent, copy: Path) -> None:
    faulty = copy / "src/agent" / fault.file
    text = faulty.read_text("utf-8")
    assert text.count(fault.old) == 1, f"the fault does not apply any more: {fault.name}"
    faulty.write_text(text.replace(fault.old, fault.new), "utf-8")
    ran = its_tests(full, copy, f"tests/{fault.red}")
    assert ran.returncode == 1, ran.stdout + ran.stderr
    assert re.search(r"^1 failed", ran.stdout.splitlines()[-1]), ran.stdout


def test_no_two_faults_have_one_name() -> None:
    assert len({fault.name for fault in FAULTS}) == len(FAULTS)
