"""The demo plays the sample; it goes when the sample goes."""

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from .test_terminal import ROOT, Terminal, environment

SAMPLE = ROOT / "sample"

pytestmark = [
    pytest.mark.skipif(not (SAMPLE / "demo.jsonl").exists(), reason="the sample was replaced"),
    pytest.mark.skipif(not (ROOT / "src/agent/app.py").exists(), reason="not rendered yet"),
]
DEMO = [sys.executable, "-c", "from agent.app import main; main()", "demo"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copytree(SAMPLE, tmp_path / "sample", ignore=shutil.ignore_patterns("deployed"))
    return tmp_path


def demo(folder: Path) -> str:
    env = environment()
    env.pop("MODEL")
    ran = subprocess.run(
        DEMO,
        cwd=folder,
        env=env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert ran.stderr == ""
    return ran.stdout


def test_without_key_network_or_terminal_it_deploys_and_shows_how(folder: Path) -> None:
    shown = demo(folder)
    assert "a script decides (sample/demo.jsonl), not a model" in shown
    assert "There is no terminal to ask, so the demo answers itself: approve" in shown
    assert 'deploy_backend returned: {"deployed": "v1.2.3", "environment": "production"}' in shown
    assert "<human_response>\n    approved: true" in shown
    deployed = (folder / "sample/deployed/production.json").read_text("utf-8")
    assert json.loads(deployed)["tag"] == "v1.2.3"


def test_it_shows_the_same_every_time(folder: Path) -> None:
    assert demo(folder) == demo(folder)


@pytest.mark.crash
def test_killed_at_its_question_it_goes_on_there(folder: Path) -> None:
    first = Terminal(folder, environment(), command=DEMO)
    first.until("[l]ater:")
    os.kill(first.process.pid, signal.SIGKILL)
    first.ends()
    second = Terminal(folder, environment(), command=DEMO)
    assert "Going on after event 8" in second.until("[l]ater:")
    second.type("r\n")
    second.until("Reason:")
    second.type("not today\n")
    second.until("agent show --prompt")
    assert second.ends() == 0
    assert not (folder / "sample/deployed/production.json").exists()
    with sqlite3.connect(folder / "data/demo.db") as db:
        assert db.execute("SELECT count(*) FROM threads").fetchall() == [(1,)]
    db.close()
