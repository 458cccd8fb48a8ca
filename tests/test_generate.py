import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, NoReturn

import pytest

from create_12_factor_agent import engine, generate, origin, source, target
from create_12_factor_agent.errors import UserError

from .conftest import PROGRAM, ROOT, Run, tree

QUICK = ("--yes", "--no-git", "--no-install")

STAND_IN = {
    "copier.yml": (ROOT / "copier.yml").read_text(),
    "template/{{ _copier_conf.answers_file }}.jinja": "{{ _copier_answers | to_nice_yaml -}}\n",
    "template/src/agent/engine/loop.py": "",
    "template/README.md": "",
}
"""A small template with our questions."""


def stand_in(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def test_copier_makes_the_same_but_for_two_lines(tmp_path: Path) -> None:
    from copier import Settings, run_copy

    generate.new(tmp_path / "ours/my-agent", {}, ask=False)
    with origin.template(origin.here()) as template:
        theirs = tmp_path / "theirs/my-agent"
        run_copy(str(template), theirs, defaults=True, quiet=True, settings=Settings())
    ours, theirs_ = tree(tmp_path / "ours"), tree(tmp_path / "theirs")
    stamped = ours.pop("my-agent/.copier-answers.yml").decode()
    plain = theirs_.pop("my-agent/.copier-answers.yml").decode()
    assert ours == theirs_
    assert re.sub("^_(commit|src_path): .*\n", "", stamped, flags=re.MULTILINE) == re.sub(
        "^_src_path: .*\n", "", plain, flags=re.MULTILINE
    )


def test_the_answers_file_says_where_updates_come_from(tmp_path: Path) -> None:
    made = generate.new(tmp_path / "my-agent", {}, ask=False)
    answers = (made.path / ".copier-answers.yml").read_text()
    assert f"_src_path: {origin.here().url}\n" in answers
    assert f"_commit: {origin.here().ref}\n" in answers


def test_nothing_that_tools_leave_in_the_template_gets_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    litter = (
        ".venv/x", ".mypy_cache/x", "src/agent/__pycache__/x.pyc", "uv.lock", ".hypothesis/x",
    )  # fmt: skip
    files = STAND_IN | {f"template/{name}": "" for name in litter}
    monkeypatch.setattr(source, "_CHECKOUT", stand_in(tmp_path / "template", files))
    made = generate.new(tmp_path / "my-agent", {}, ask=False)
    assert made.files == (".copier-answers.yml", "README.md", "src/agent/engine/loop.py")


def test_a_read_only_template_makes_files_that_can_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    template = stand_in(tmp_path / "template", STAND_IN)
    for path in (template, *template.rglob("*")):
        path.chmod(0o555)
    monkeypatch.setattr(source, "_CHECKOUT", template)
    made = generate.new(tmp_path / "my-agent", {}, ask=False)
    assert all(path.stat().st_mode & 0o200 for path in (made.path, *made.path.rglob("*")))


def test_making_one_talks_to_nobody(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> NoReturn:
        raise AssertionError

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    assert run("my-agent", "--yes", "--no-install").code == 0


# -- all or nothing --------------------------------------------------------------------------


@pytest.mark.parametrize("taken", ["full", "file", "file/below"])
def test_a_target_that_is_taken_stays_as_it_is(run: Run, tmp_path: Path, taken: str) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full/mine").write_text("mine")
    (tmp_path / "file").write_text("mine")
    before = tree(tmp_path)
    ran = run(taken, *QUICK)
    assert ran.code == 1
    assert ran.err.startswith("Error: ")
    assert "Choose another folder." in ran.err
    assert tree(tmp_path) == before


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a folder nobody may write to")
def test_a_read_only_place_is_told(run: Run) -> None:
    ran = run("/proc/my-agent", *QUICK)
    assert ran.code == 1
    assert ran.err.startswith("Error: Cannot write /proc/my-agent: ")


# Copier leaves the listing of a folder open when a file in it does not render.
@pytest.mark.filterwarnings("ignore:unclosed scandir iterator")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("folder", ["my-agent", "not/there/yet", ".", "empty"])
def test_a_template_that_fails_leaves_nothing(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str
) -> None:
    broken = STAND_IN | {"template/z.txt.jinja": "{{ nobody_knows_this }}"}
    place = stand_in(tmp_path / "template", broken)
    monkeypatch.setattr(source, "_CHECKOUT", place)
    (tmp_path / "here/empty").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / ("here/empty" if folder == "." else "here"))
    ran = run(folder, *QUICK)
    assert ran.code == 1
    assert "does not render" in ran.err
    assert [path.name for path in (tmp_path / "here").rglob("*")] == ["empty"]


@pytest.mark.parametrize("folder", ["my-agent", "not/there/yet", "empty"])
def test_a_disk_that_fails_at_the_last_moment_leaves_nothing(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str
) -> None:
    (tmp_path / "empty").mkdir()
    rename, calls = Path.rename, []

    def fail_at_the_third(self: Path, to: Path) -> Path:
        calls.append(to)
        if len(calls) == 3 or to.name != self.name or to == tmp_path / folder:
            raise OSError(28, "No space left on device")
        return rename(self, to)

    monkeypatch.setattr(Path, "rename", fail_at_the_third)
    ran = run(folder, *QUICK)
    assert ran.code == 1
    assert "No space left on device" in ran.err
    assert [path.name for path in tmp_path.rglob("*")] == ["empty"]


def test_what_somebody_else_put_there_meanwhile_is_not_overwritten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "my-agent"
    place.mkdir()
    stamp = engine.stamp

    def slow_stamp(*given: Any) -> None:
        (place / "pyproject.toml").write_text("mine")
        stamp(*given)

    monkeypatch.setattr(engine, "stamp", slow_stamp)
    with pytest.raises(UserError, match="not empty any more"):
        generate.new(place, {}, ask=False)
    assert tree(place) == {"pyproject.toml": b"mine"}


# -- signals ---------------------------------------------------------------------------------

STARTED = """
import time
from create_12_factor_agent import engine, generate, source, target
def tell_and_wait(function):
    def wrapper(*given, **options):
        print('waiting', flush=True)
        for _ in range(600):
            time.sleep(0.1)
        return function(*given, **options)
    return wrapper
def slow(module, name):
    setattr(module, name, tell_and_wait(getattr(module, name)))
{patch}
from create_12_factor_agent.__main__ import main
main()
"""

MOMENTS = {
    "before anything is made": "slow(generate, 'staging')",
    "with an empty staging folder": "slow(engine, 'render')",
    "in the middle of a rendered tree": (
        "import copier._main as m; n = [0]\n"
        "real = m.Worker._render_file\n"
        "def later(self, *a, **k):\n"
        "    n[0] += 1\n"
        "    real(self, *a, **k)\n"
        "    if n[0] == 9: tell_and_wait(lambda: 0)()\n"
        "m.Worker._render_file = later"
    ),
    "with a complete staging folder": "slow(engine, 'stamp')",
    "just before it is moved": "slow(generate, 'publish')",
}


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("folder", ["not/there/yet", "empty"])
def test_a_signal_leaves_everything_as_it_was(
    tmp_path: Path, number: signal.Signals, moment: str, folder: str
) -> None:
    (tmp_path / "empty").mkdir()
    code = STARTED.replace("{patch}", MOMENTS[moment])
    started = subprocess.Popen(
        [sys.executable, "-c", code, folder, *QUICK],
        cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    with started as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "waiting\n"
        process.send_signal(number)
        _, err = process.communicate(timeout=20)
    assert process.returncode == 128 + number
    assert "Traceback" not in err
    assert [path.name for path in tmp_path.rglob("*")] == ["empty"]


@pytest.mark.parametrize("after_s", [0.0, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8])
def test_ctrl_c_at_any_time_is_all_or_nothing(tmp_path: Path, after_s: float) -> None:
    process = subprocess.Popen(
        [*PROGRAM, "my-agent", *QUICK], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    time.sleep(after_s)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    made = (tmp_path / "my-agent").exists()
    assert made == (process.returncode == 0) or process.returncode in (130, -signal.SIGINT)
    assert {path.name for path in tmp_path.iterdir()} <= {"my-agent"}
    if made:
        assert (tmp_path / "my-agent/pyproject.toml").is_file()


def test_ctrl_c_while_uv_runs_says_that_the_repository_is_complete(tmp_path: Path) -> None:
    tool = tmp_path / "bin/uv"
    tool.parent.mkdir()
    tool.write_text("#!/bin/sh\ntouch started\nexec sleep 60\n")
    tool.chmod(0o755)
    environment = os.environ | {"PATH": f"{tool.parent}:{os.environ['PATH']}"}
    process = subprocess.Popen(
        [*PROGRAM, "my-agent", "--yes"], cwd=tmp_path, env=environment, stderr=subprocess.PIPE,
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    end = time.monotonic() + 30
    while not (tmp_path / "my-agent/started").exists() and time.monotonic() < end:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "was made" in err
    assert "uv sync" in err
    assert (tmp_path / "my-agent/pyproject.toml").is_file()


def test_a_signal_while_things_move_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made, place = tmp_path / "made", tmp_path / "place"
    (made / "a").mkdir(parents=True)
    (made / "b").mkdir()
    place.mkdir()
    rename, handler = Path.rename, signal.getsignal(signal.SIGINT)

    def interrupted(self: Path, to: Path) -> Path:
        os.kill(os.getpid(), signal.SIGINT)
        return rename(self, to)

    monkeypatch.setattr(Path, "rename", interrupted)
    target.publish(made, place)
    assert sorted(path.name for path in place.iterdir()) == ["a", "b"]
    assert signal.getsignal(signal.SIGINT) is handler
    shutil.rmtree(place)
