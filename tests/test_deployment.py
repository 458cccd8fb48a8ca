"""What starts an agent elsewhere: files for a program of others fit its schema."""

import subprocess
import sys
from pathlib import Path

import pytest

from create_12_factor_agent import engine

from . import variants
from .conftest import ROOT
from .menu import Answers

CHECK = [str(Path(sys.executable).with_name("check-jsonschema")), "--color=never"]
WORKERS = {"store": "postgres", "runner": "procrastinate"}
DIFFERENT: tuple[Answers, ...] = ({}, {"store": "postgres"}, WORKERS, WORKERS | {"web": "none"})


def find_faults(kind: str, *files: Path) -> str:
    """Return what check-jsonschema says against files; its schemas are in its package."""
    ran = subprocess.run(
        [*CHECK, "--builtin-schema", f"vendor.{kind}", *files],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return ran.stdout + ran.stderr if ran.returncode else ""


@pytest.fixture(scope="module")
def composed(newest: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Each `compose.yaml` that there can be."""
    folder = tmp_path_factory.mktemp("composed")
    for number, answers in enumerate(DIFFERENT):
        engine.render(
            newest, folder / str(number), variants.DEFAULT | answers | {"project_name": "mine"}
        )
    return sorted(folder.glob("*/compose.yaml"))


def test_every_compose_file_fits_the_compose_specification(composed: list[Path]) -> None:
    assert len({file.read_text("utf-8") for file in composed}) == len(DIFFERENT)
    assert find_faults("compose-spec", *composed) == ""


def test_the_check_sees_a_service_that_cannot_be(composed: list[Path], tmp_path: Path) -> None:
    text = composed[0].read_text("utf-8")
    (tmp_path / "compose.yaml").write_text(text.replace("read_only: true", "read_only: [1]"))
    assert "read_only" in find_faults("compose-spec", tmp_path / "compose.yaml")


def test_every_workflow_fits_the_schema_of_github() -> None:
    ours = sorted((ROOT / ".github/workflows").glob("*.yml"))
    theirs = sorted((ROOT / "template/.github/workflows").glob("*.yml"))
    assert len(ours) == 3
    assert len(theirs) == 2
    assert find_faults("github-workflows", *ours, *theirs) == ""
