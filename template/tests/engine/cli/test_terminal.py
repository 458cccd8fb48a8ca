"""Real processes at real pseudo terminals, and pipes; started itself, this is their program."""

import asyncio
import fcntl
import json
import os
import pty
import select
import signal
import subprocess
import termios
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agent.engine.cli import run_command_line
from agent.engine.runners.app import App, ModelOf
from agent.engine.runners.local import LocalRunner
from agent.engine.stores.sqlite import SqliteStore

from ..domain import Says, World, build_ports
from .conftest import PATIENCE_S, PROGRAM, environment, piped

CHARGE = {"intent": "charge", "amount": 500}
DONE = {"intent": "done", "message": "bye"}

pytestmark = pytest.mark.server


def build(model_of: ModelOf) -> App:
    """Plug in the domain of the tests, a real database, and a model that says what SAYS holds."""
    replies: list[Any] = json.loads(os.environ.get("SAYS", "[]"))
    ports = build_ports(SqliteStore.from_env(), Says(*map(_slow, replies)), World("world.db"))
    return App(ports, LocalRunner(ports, lease_s=0.5, poll_s=0.05))


def _slow(reply: Any) -> Any:
    async def thinking() -> Any:
        await asyncio.sleep(600)

    async def stuck() -> Any:
        await asyncio.to_thread(time.sleep, 600)

    return {"never": thinking, "stuck": stuck}.get(str(reply), reply)


class Terminal:
    """A program in a pseudo terminal, and what it wrote so far."""

    def __init__(self, cwd: Path, env: dict[str, str], *words: str) -> None:
        self._side, theirs = pty.openpty()
        self.process = subprocess.Popen(
            [*PROGRAM, *words],
            cwd=cwd,
            env=env,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
            preexec_fn=lambda: _take_terminal(theirs),
        )
        os.close(theirs)
        self.written = ""

    def until(self, text: str) -> str:
        """Read on until `text` was written, and return all that was."""
        deadline = time.monotonic() + PATIENCE_S
        while text not in self.written:
            ready, _, _ = select.select([self._side], [], [], deadline - time.monotonic())
            assert ready, f"{text!r} was never written, but: {self.written}"
            try:
                self.written += os.read(self._side, 65_536).decode()
            except OSError as error:
                raise AssertionError(f"it ended without {text!r}: {self.written}") from error
        return self.written

    def type(self, text: str) -> None:
        os.write(self._side, text.encode())

    def ends(self) -> int:
        code = self.process.wait(PATIENCE_S)
        os.close(self._side)
        return code

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.ends()


def _take_terminal(terminal: int) -> None:
    fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)


@pytest.fixture
def opened() -> Iterator[list[Terminal]]:
    terminals: list[Terminal] = []
    yield terminals
    for terminal in terminals:
        terminal.close()


def test_an_approval_and_a_second_message_in_a_real_terminal(
    tmp_path: Path, opened: list[Terminal]
) -> None:
    terminal = Terminal(tmp_path, environment(CHARGE, DONE, DONE), "run", "charge")
    opened.append(terminal)
    assert "amount: 500" in terminal.until("[l]ater:")
    terminal.type("a\n")
    terminal.until("\n> ")
    terminal.type("thanks\x1b[D\n")
    terminal.written = ""
    terminal.until("\n> ")
    terminal.type("\x04")
    assert terminal.ends() == 0
    log = piped(tmp_path, "show", "--json").stdout
    assert [json.loads(line)["data"].get("text") for line in log.splitlines()][-3] == "thanks"


def test_what_was_typed_before_the_question_approves_nothing(
    tmp_path: Path, opened: list[Terminal]
) -> None:
    terminal = Terminal(tmp_path, environment(CHARGE), "run", "charge")
    opened.append(terminal)
    terminal.type("a\na\na\n")
    terminal.until("[l]ater:")
    terminal.type("l\n")
    assert "Left waiting." in terminal.until("agent run --thread")
    assert terminal.ends() == 3


def test_who_does_not_name_the_wait_is_asked_once_more(
    tmp_path: Path, opened: list[Terminal]
) -> None:
    piped(tmp_path, "run", "charge", env=environment(CHARGE))
    for word, recorded in (("n", "no answer was given"), ("y", "Recorded: edit by cli:ana.")):
        edit = ("edit", _only(tmp_path), "--set", "amount=90")
        opened.append(terminal := Terminal(tmp_path, environment(NO_COLOR="1"), *edit))
        assert "  - amount: 500\r\n  + amount: 90\r\n" in terminal.until("Approve this? [y/N]")
        terminal.type(f"{word}\n")
        terminal.until(recorded)


def test_a_value_cannot_fill_a_row_so_that_the_next_looks_like_a_line(
    tmp_path: Path, opened: list[Terminal]
) -> None:
    text = "x" * 70 + "    amount: 5" + " " * 67 + "    y"
    ask = {"intent": "ask_person", "question": text}
    terminal = Terminal(tmp_path, environment(ask, NO_COLOR="1"), "run", "ask")
    opened.append(terminal)
    written = terminal.until("leave it open:").splitlines()
    rows = written[next(at for at, row in enumerate(written) if row.startswith("Question: ")) :][:3]
    assert max(map(len, rows)) == 80
    assert [row[:2] for row in rows] == ["Qu", "| ", "| "]
    assert rows[0].removeprefix("Question: ") + rows[1][2:] + rows[2][2:] == text


@pytest.mark.parametrize(
    ("replies", "moment"), [(["never"], "Thread"), ([CHARGE], "[l]ater:"), (["stuck"], "Thread")]
)
def test_ctrl_c_is_clean_and_says_how_to_go_on(
    tmp_path: Path, opened: list[Terminal], replies: list[Any], moment: str
) -> None:
    terminal = Terminal(tmp_path, environment(*replies), "run", "charge")
    opened.append(terminal)
    terminal.until(moment)
    terminal.type("\x03")
    written = terminal.until("agent run --thread")
    assert "The thread is kept" in written
    if replies == ["stuck"]:
        terminal.type("\x03")
    assert "Traceback" not in written
    ended = terminal.ends()
    killed = replies == ["stuck"] and ended == -signal.SIGINT  # by the second; 130 for a shell
    assert killed or ended == 130


@pytest.mark.crash
def test_a_killed_run_goes_on_at_its_question(tmp_path: Path, opened: list[Terminal]) -> None:
    first = Terminal(tmp_path, environment(CHARGE), "run", "charge")
    opened.append(first)
    thread = first.until("[l]ater:").partition("Thread ")[2][:8]
    first.process.kill()
    assert first.ends() == -signal.SIGKILL
    second = Terminal(tmp_path, environment(DONE), "run", "--thread", thread)
    opened.append(second)
    second.until("[l]ater:")
    second.type("a\n")
    second.until("bye")


def test_a_terminal_gets_colours_and_data_no_say_in_them(
    tmp_path: Path, opened: list[Terminal]
) -> None:
    said = {"intent": "done", "message": "\x1b[2J[red]x[/red]"}
    piped(tmp_path, "run", "hi", env=environment(said))
    terminal = Terminal(tmp_path, environment(), "show")
    opened.append(terminal)
    written = terminal.until("finished: \\x1b[2J[red]x[/red]")
    assert "\x1b[1m" in written
    assert "\x1b[2J" not in written
    assert "\\x1b[2J[red]x[/red]" in written


def test_a_coloured_line_takes_data_as_text(tmp_path: Path, opened: list[Terminal]) -> None:
    look = {"intent": "look", "at": "[red]:smile:[/red]"}
    terminal = Terminal(tmp_path, environment(look, DONE), "run", "hi")
    opened.append(terminal)
    assert '\x1b[36m  \u25b8 look(at="[red]:smile:[/red]")' in terminal.until("bye")


@pytest.mark.parametrize("changes", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_a_terminal_that_wants_no_colours_gets_none(
    tmp_path: Path, opened: list[Terminal], changes: dict[str, str]
) -> None:
    piped(tmp_path, "run", "hi", env=environment(DONE))
    terminal = Terminal(tmp_path, environment(**changes), "show")
    opened.append(terminal)
    assert "\x1b" not in terminal.until("finished: bye")


def test_a_pipe_gets_plain_text_and_uncut_lines(tmp_path: Path) -> None:
    ran = piped(tmp_path, "run", "hi", env=environment(DONE, COLUMNS="20"))
    assert (ran.returncode, ran.stdout) == (0, "bye\n")
    shown = piped(tmp_path, "show", env=environment(COLUMNS="20"))
    assert "\x1b" not in shown.stdout + shown.stderr
    assert all(
        "bye" not in line or "done(" in line or "finished: " in line
        for line in shown.stdout.splitlines()
    )


def test_a_terminal_of_ascii_is_no_error(tmp_path: Path) -> None:
    look = {"intent": "look", "at": "\u4e16"}
    ran = piped(tmp_path, "run", "hi", env=environment(look, DONE, PYTHONIOENCODING="ascii"))
    assert (ran.returncode, ran.stdout) == (0, "bye\n")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_worker_runs_what_is_due_until_it_is_told_to_stop(
    tmp_path: Path, number: signal.Signals
) -> None:
    assert piped(tmp_path, "run", "charge", env=environment(CHARGE)).returncode == 3
    assert piped(tmp_path, "approve", _only(tmp_path)).returncode == 0
    heartbeat = tmp_path / "heartbeat"
    worker = subprocess.Popen(
        [*PROGRAM, "worker", "--heartbeat", heartbeat],
        cwd=tmp_path, env=environment(DONE), stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        deadline = time.monotonic() + PATIENCE_S
        while "finished" not in piped(tmp_path, "threads").stdout:
            assert time.monotonic() < deadline
        assert heartbeat.exists()
        worker.send_signal(number)
        _, written = worker.communicate(timeout=PATIENCE_S)
    finally:
        worker.kill()
    assert worker.returncode == 0
    assert not heartbeat.exists()
    assert "Stopped; nothing is lost." in written
    assert "Traceback" not in written


def _only(cwd: Path) -> str:
    return piped(cwd, "threads").stdout.splitlines()[1].split()[0]


@pytest.mark.parametrize(
    ("words", "files", "problem"),
    [
        (("threads",), {"data/threads.db": "not a database" * 100}, "not a database"),
    ],
)
def test_a_broken_file_is_named(
    tmp_path: Path, words: tuple[str, ...], files: dict[str, str], problem: str
) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, "utf-8")
    ran = piped(tmp_path, *words)
    assert (ran.returncode, ran.stdout) == (1, "")
    assert ran.stderr.startswith("agent: ")
    assert problem in ran.stderr


if __name__ == "__main__":
    run_command_line(build)
