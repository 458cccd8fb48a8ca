"""A suite that cannot go red proves nothing: each fault is seen by the test that should see it."""

import re
import shutil
import subprocess
from functools import cache
from pathlib import Path

import pytest

from .conftest import ROOT, Agent, owner_s_environment
from .faults import FAULTS, Fault

pytestmark = pytest.mark.slow

ANY_MARK = ("-m", "")
TEMPLATE = ROOT / "template"
IMPATIENT = {
    "examples.py": ("database=None)", "database=None, phases=settings.default.phases[:3])"),
    "runners/contract.py": ("within_s: float = 20", "within_s: float = 6"),
    "otel/test_otel.py": ("PATIENCE_S = 30", "PATIENCE_S = 6"),
}
"""What makes a test that fails take long: waiting, and looking for the smallest example."""

BY_DAY = 30
"""How many faults are tried in each run: the first, which are about who may allow what. At night
all are."""

FASTER = ("-q", "--tb=no", "-p", "no:cacheprovider", "-x")


def its_tests(agent: Agent, place: Path, *tests: str) -> subprocess.CompletedProcess[str]:
    """Run tests of a copy of the agent, with the agent's environment."""
    return subprocess.run(
        [agent.path / ".venv/bin/python", "-m", "pytest", *FASTER, *ANY_MARK, *tests],
        cwd=place,
        env=agent.environment | {"PYTHONPATH": str(place / "src")},
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip


@cache
def compiled(agent: Path) -> None:
    """Have pytest write the byte code of the tests, which each copy would write anew."""
    subprocess.run(
        [agent / ".venv/bin/python", "-m", "pytest", *FASTER, "--collect-only", "tests/engine"],
        cwd=agent, env=owner_s_environment(), capture_output=True, check=True,
    )  # fmt: skip


def copy(agent: Agent, place: Path) -> Path:
    """Copy its sources, with their byte code."""
    compiled(agent.path)
    for folder in ("docs", "src", "tests"):
        shutil.copytree(agent.path / folder, place / folder)
    shutil.copy(agent.path / "pyproject.toml", place)
    for name, (old, new) in IMPATIENT.items():
        file = place / "tests/engine" / name
        if file.is_file():
            text = file.read_text("utf-8")
            assert old in text, f"{name} is not made impatient"
            file.write_text(text.replace(old, new), "utf-8")
    return place


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(
            fault,
            id=f"{fault.about}: {fault.name}",
            marks=[] if number < BY_DAY else [pytest.mark.nightly],
        )
        for number, fault in enumerate(FAULTS)
    ],
)
def test_a_fault_turns_its_test_red(
    fault: Fault, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    full: Agent = request.getfixturevalue(fault.variant)
    faulty = copy(full, tmp_path) / "src/agent/engine" / fault.file
    text = faulty.read_text("utf-8")
    assert text.count(fault.old) == 1, f"the fault does not apply any more: {fault.name}"
    faulty.write_text(text.replace(fault.old, fault.new), "utf-8")
    ran = its_tests(full, tmp_path, f"tests/engine/{fault.red}")
    assert ran.returncode == 1, ran.stdout + ran.stderr
    assert re.search(r"^1 failed", ran.stdout.splitlines()[-1]), ran.stdout


def test_no_two_faults_have_one_name() -> None:
    assert len({fault.name for fault in FAULTS}) == len(FAULTS)


def test_every_fault_fits_the_template() -> None:
    """List all that do not at once, without an agent: the code or the test they name has moved."""
    assert [f"{fault.name} ({fault.file})" for fault in FAULTS if not fits(fault)] == []


def fits(fault: Fault) -> bool:
    code = TEMPLATE / "src/agent/engine" / fault.file
    test = TEMPLATE / "tests/engine" / fault.red.partition("::")[0]
    applies = code.is_file() and code.read_text("utf-8").count(fault.old) == 1
    name = fault.red.rpartition("::")[2].partition("[")[0]
    return applies and test.is_file() and (name.endswith(".py") or f"def {name}(" in written())


@cache
def written() -> str:
    """Return the text of all tests of the engine."""
    return "\n".join(file.read_text("utf-8") for file in (TEMPLATE / "tests").rglob("*.py"))
