"""The commands, and real servers that make a tick; started itself, this is such a server."""

import asyncio
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from agent.engine import http
from agent.engine.cli import build_commands
from agent.engine.cron import mount, served
from agent.engine.cron.file import path
from agent.engine.cron.ticks import make, thread_of
from agent.engine.http.server import create_app
from agent.engine.http.service import Tokens
from agent.engine.llms.scripted import scripted
from agent.engine.log.errors import Misconfigured
from agent.engine.runners.app import App, ModelOf
from agent.engine.runners.local import LocalRunner
from agent.engine.stores.sqlite import SqliteStore

from ..domain import Says, World, ports_of
from ..http.conftest import TOKENS, Asleep
from .test_schedule import at, schedule

ROOT = Path(__file__).parents[3]
TICK = at("2026-03-02 09:00")
FILE = """
[report]
cron = "0 9 * * *"
message = "Report."

[cleanup]
cron = "@Hourly"
timezone = "Asia/Tokyo"
message = "Clean up."
"""


@pytest.fixture
def app(tmp_path: Path, world: World, monkeypatch: pytest.MonkeyPatch) -> App:
    monkeypatch.setenv("SCHEDULES_FILE", str(tmp_path / "schedules.toml"))
    (tmp_path / "schedules.toml").write_text(FILE)
    ports = ports_of(SqliteStore(tmp_path / "threads.db"), Says(), world)
    return App(ports, Asleep(), (served,))


@pytest.fixture
def does(app: App) -> Callable[..., Result]:
    """Run a command, on the second of March at half past nine."""

    def build(model_of: ModelOf) -> App:
        assert model_of("test") == "", "no model is needed"
        return app

    def run(*words: str, code: int = 0) -> Result:
        clock = partial(mount, clock=lambda: TICK + timedelta(minutes=30))
        ran = CliRunner().invoke(build_commands(build, clock), words, catch_exceptions=False)
        assert ran.exit_code == code, ran.output
        return ran

    return run


def test_the_list_says_what_is_due_and_what_came_of_the_last(
    app: App, does: Callable[..., Result]
) -> None:
    asyncio.run(make(app, schedule(), TICK))
    thread = thread_of(schedule(), TICK)[:8]
    assert [re.split(" {2,}", row) for row in does("cron", "list").stdout.splitlines()] == [
        ["NAME", "CRON", "NEXT", "LAST", "THREAD", "STATUS"],
        ["report", "0 9 * * *", "2026-03-03 09:00 UTC", "2026-03-02 09:00 UTC", thread, "running"],
        ["cleanup", "@Hourly", "2026-03-02 19:00 JST", "never"],
    ]


@pytest.mark.parametrize(
    ("words", "due"),
    [
        (["--count", "2"], ["02 19:00 JST  cleanup", "02 20:00 JST  cleanup"]),
        (["report", "--count", "2"], ["03 09:00 UTC  report", "04 09:00 UTC  report"]),
        (["report", "--count", "1000"], None),
    ],
)
def test_the_next_ticks_come_first(
    words: list[str], due: list[str] | None, does: Callable[..., Result]
) -> None:
    rows = does("cron", "next", *words).stdout.splitlines()[1:]
    assert [row.removeprefix("2026-03-") for row in rows] == due if due else len(rows) == 1000


def test_the_ticks_of_all_schedules_are_in_one_order(does: Callable[..., Result]) -> None:
    rows = does("cron", "next", "--count", "30").stdout.splitlines()[1:]
    assert [row.split()[-1] for row in rows] == ["cleanup"] * 23 + ["report"] + ["cleanup"] * 6
    assert rows[22:24] == ["2026-03-03 17:00 JST  cleanup", "2026-03-03 09:00 UTC  report"]


@pytest.mark.parametrize(
    ("file", "words", "code", "said"),
    [
        ("", ["list"], 0, "There is no schedule yet: begin one in "),
        ("# none", ["next"], 0, "There is no schedule yet: begin one in "),
        (FILE, ["next", "x"], 1, "agent: there is no schedule 'x' in "),
        (FILE, ["next", "--count", "0"], 2, "Invalid value for '--count'"),
        ("[a]", ["list"], 1, "[a] cron is missing"),
        ("[a]", ["next"], 1, "[a] cron is missing"),
    ],
)
def test_what_is_wrong_is_said_in_a_line(
    file: str, words: list[str], code: int, said: str, app: App, does: Callable[..., Result]
) -> None:
    path().write_text(file)
    ran = does("cron", *words, code=code)
    assert said in ran.stderr
    assert ran.stdout == ""


def test_a_server_without_schedules_says_how_to_begin_one(
    app: App, caplog: pytest.LogCaptureFixture
) -> None:
    path().unlink()
    assert served(app) is None
    how = f"a table in {str(path())!r} switches it on, see docs/cron.md"
    assert caplog.messages == [f"cron is off: {how}"]


def test_a_server_does_not_start_with_a_mistake(app: App) -> None:
    path().write_text("[a]")
    with pytest.raises(Misconfigured, match="cron is missing"):
        create_app(app, Tokens.parse(f"ana:{TOKENS['ana']}"))


def test_importing_it_is_cheap() -> None:
    code = (
        "import sys; import agent.engine.cron;"
        "print({'fastapi', 'starlette', 'uvicorn', 'rich'} & set(sys.modules))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "set()\n"


def build(model_of: ModelOf) -> App:
    """Plug in the domain of the tests; it is a second before the tick."""
    folder, started = Path(os.environ["FOLDER"]), time.monotonic()
    store = SqliteStore(folder / "threads.db")
    ports = ports_of(store, scripted({"intent": "done", "message": "bye"}), World(folder / "w.db"))

    def clock() -> datetime:
        return TICK + timedelta(seconds=time.monotonic() - started - 1)

    return App(ports, LocalRunner(ports, poll_s=0.1), (partial(served, clock=clock),))


@pytest.fixture
def servers(app: App, tmp_path: Path) -> Iterator[list[subprocess.Popen[bytes]]]:
    command = [sys.executable, "-W", "error", "-m", "tests.engine.cron.test_cron"]
    command += ["--port", "0", "--model", "scripted"]
    named = {"API_TOKENS": f"ana:{TOKENS['ana']}", "FOLDER": str(tmp_path)}
    started = [subprocess.Popen(command, cwd=ROOT, env=os.environ | named) for _ in range(2)]
    yield started
    for server in started:
        server.kill()
        server.wait()


@pytest.mark.server
async def test_two_servers_make_each_tick_once_and_run_it(
    app: App, servers: list[subprocess.Popen[bytes]]
) -> None:
    async with asyncio.timeout(30):
        while [each.status for each in await app.ports.store.threads()] != ["finished"] * 2:
            assert [server.poll() for server in servers] == [None, None]
            await asyncio.sleep(0.05)
    for server in servers:
        server.terminate()
    assert [server.wait(15) for server in servers] == [0, 0]
    thread = await app.ports.store.load(thread_of(schedule(), TICK))
    assert [each.actor for each in thread.events if each.type == "message"] == ["cron:report"]


if __name__ == "__main__":
    cli = typer.Typer()
    http.mount(cli, build)
    cli()
