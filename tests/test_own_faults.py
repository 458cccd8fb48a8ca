"""A suite that cannot go red proves nothing: each fault of ours is seen by the test that should."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import ROOT
from .own_faults import FAULTS, OwnFault

PACKAGE = "src/create_12_factor_agent"


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_fault_fits_its_file(fault: OwnFault) -> None:
    assert (ROOT / PACKAGE / fault.file).read_text("utf-8").count(fault.old) == 1
    file, _, name = fault.red.partition("::")
    assert f"def {name}(" in (ROOT / "tests" / file).read_text("utf-8")


@pytest.mark.slow
@pytest.mark.nightly
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_fault_turns_its_test_red(fault: OwnFault, tmp_path: Path) -> None:
    for name in ("copier.yml", "template", "tests", "src", "docs", "pyproject.toml"):
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, tmp_path / name)
    file = tmp_path / PACKAGE / fault.file
    file.write_text(file.read_text("utf-8").replace(fault.old, fault.new), "utf-8")
    pytest_ = ("-m", "pytest", "-qx", "--tb=no", "-p", "no:cacheprovider", "-n0", "-m", "")
    ran = subprocess.run(
        [sys.executable, *pytest_, f"tests/{fault.red}"],
        cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(tmp_path / "src")},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ran.returncode == 1, ran.stdout[-2000:]
