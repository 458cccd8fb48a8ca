"""The script of the demo. Yours: it goes with `sample/assistant`."""

import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from agent.app import application
from agent.engine.cli import build_commands

SAMPLE = Path("sample/assistant").resolve()


def test_the_demo_reads_asks_and_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(SAMPLE, tmp_path / "sample/assistant")
    monkeypatch.chdir(tmp_path)
    ran = CliRunner().invoke(build_commands(application.build), ["demo"], catch_exceptions=False)
    assert ran.exit_code == 0
    assert "read_note  returned: The launch is on Thursday" in ran.stdout
    assert "cli:you    answered: Yes, this morning." in ran.stdout
    assert "agent      finished: The launch is on Thursday at 10:00" in ran.stdout
