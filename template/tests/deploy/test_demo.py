"""The sample's script. Yours, with the sample: it goes when `sample/deploy` goes."""

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from agent.app import application
from agent.engine.cli import build_commands

SAMPLE = Path("sample/deploy").resolve()


def test_the_demo_deploys_to_staging_and_to_production(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(SAMPLE, tmp_path / "sample/deploy")
    monkeypatch.chdir(tmp_path)
    ran = CliRunner().invoke(build_commands(application.build), ["demo"], catch_exceptions=False)
    assert ran.exit_code == 0
    assert 'returned: {"deployed": "v1.2.3", "environment": "production"}' in ran.stdout
    for environment in ("staging", "production"):
        deployed = (tmp_path / f"data/deployed/{environment}.json").read_text("utf-8")
        assert json.loads(deployed)["tag"] == "v1.2.3"
