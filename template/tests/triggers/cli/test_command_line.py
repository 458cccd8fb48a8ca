import os
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import Desk

ROOT = Path(__file__).parents[3]


def test_every_command_has_a_line_of_help(desk: Desk) -> None:
    shown = desk.agent("--help").stdout
    for name in "demo run inbox approve reject edit answer threads show fork cancel worker".split():
        assert f"\n  {name} " in shown
    assert "..." not in shown.partition("Commands:")[2]


def test_help_imports_nothing_that_is_slow(tmp_path: Path) -> None:
    code = (
        "import sys; from tests.triggers.cli.program import build, command_line\n"
        "try: command_line(build)\n"
        "finally: print({'rich', 'openai', 'fastapi', 'uvicorn', 'httpx'} & {*sys.modules})"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code, "--help"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "src")])},
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stdout.endswith("set()\n")


def test_settings_are_read_from_the_env_file(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MODEL")
    Path(".env").write_text("MODEL=says:from-the-file\n", "utf-8")
    desk.says({"intent": "done", "message": "bye"})
    assert desk.agent("run", "hi").exit_code == 0
    assert desk.built == ["says:from-the-file"]
    monkeypatch.delenv("MODEL")


@pytest.mark.parametrize("words", [("inbox",), ("threads",), ("show",)])
def test_what_does_not_think_needs_no_model(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    monkeypatch.delenv("MODEL")
    desk.agent(*words)
    assert desk.built == [""]
