"""The commands, and real servers that start a tick. Run as a program, this is such a server."""

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
from agent.engine.cron import mount, serve
from agent.engine.cron.schedules import locate_file
from agent.engine.cron.ticks import name_thread, start_thread
from agent.engine.http.server import create_app
from agent.engine.http.tokens import Tokens
from agent.engine.llms.scripted import ScriptedLLM
from agent.engine.log.errors import Misconfigured
from agent.engine.runners.app import App, ModelOf
from agent.engine.runners.local import LocalRunner
from agent.engine.stores.sqlite import SqliteStore

from ..domain import Asleep, Says, World, build_ports
from ..http.conftest import TOKENS
from .test_schedules import make_schedule, parse_utc

ROOT = Path(__file__).parents[3]
TICK = parse_utc("2026-03-02 09:00")
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
    ports = build_ports(SqliteStore(tmp_path / "threads.db"), Says(), world)
    return App(ports, Asleep(), (serve,))


@pytest.fixture
def does(app: App) -> Callable[..., Result]:
    """Run a command on the second of March at half past nine."""

    def build(model_of: ModelOf) -> App:
        assert model_of("test") == "", "no model is needed"
        return app

    def run(*words: str, code: int = 0) -> Result:
        clock = partial(mount, clock=lambda: TICK + timedelta(minutes=30))
        ran = CliRunner().invoke(build_commands(build, clock), words, catch_exceptions=False)
        assert ran.exit_code == code, ran.output
        return ran

    return run


def test_the_list_shows_the_next_tick_and_the_last_thread(
    app: App, does: Callable[..., Result]
) -> None:
    asyncio.run(start_thread(app, make_schedule(), TICK))
    thread = name_thread(make_schedule(), TICK)[:8]
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
def test_the_next_ticks_are_listed(
    words: list[str], due: list[str] | None, does: Callable[..., Result]
) -> None:
    rows = does("cron", "next", *words).stdout.splitlines()[1:]
    assert [row.removeprefix("2026-03-") for row in rows] == due if due else len(rows) == 1000


def test_the_ticks_of_all_schedules_are_in_one_list(does: Callable[..., Result]) -> None:
    rows = does("cron", "next", "--count", "30").stdout.splitlines()[1:]
    assert [row.split()[-1] for row in rows] == ["cleanup"] * 23 + ["report"] + ["cleanup"] * 6
    assert rows[22:24] == ["2026-03-03 17:00 JST  cleanup", "2026-03-03 09:00 UTC  report"]


@pytest.mark.parametrize(
    ("file", "words", "code", "said"),
    [
        ("", ["list"], 0, "No schedules yet. Add one to "),
        ("# none", ["next"], 0, "No schedules yet. Add one to "),
        (FILE, ["next", "x"], 1, "agent: There is no schedule 'x': "),
        (FILE, ["next", "--count", "0"], 2, "Invalid value for '--count'"),
        ("[a]", ["list"], 1, "[a] cron is missing"),
        ("[a]", ["next"], 1, "[a] cron is missing"),
    ],
)
def test_a_mistake_is_shown_in_one_line(
    file: str, words: list[str], code: int, said: str, app: App, does: Callable[..., Result]
) -> None:
    locate_file().write_text(file)
    ran = does("cron", *words, code=code)
    assert said in ran.stderr
    assert ran.stdout == ""


def test_without_schedules_the_log_says_how_to_turn_them_on(
    app: App, caplog: pytest.LogCaptureFixture
) -> None:
    locate_file().unlink()
    assert serve(app) is None
    how = f"To turn them on, add a table to {str(locate_file())!r} (see docs/cron.md)."
    assert caplog.messages == [f"Schedules are off. {how}"]


def test_a_mistake_in_the_file_stops_the_start(app: App) -> None:
    locate_file().write_text("[a]")
    with pytest.raises(Misconfigured, match="cron is missing"):
        create_app(app, Tokens.parse(f"ana:{TOKENS['ana']}"))


def test_importing_cron_is_cheap() -> None:
    code = (
        "import sys; import agent.engine.cron;"
        "print({'fastapi', 'starlette', 'uvicorn', 'rich'} & set(sys.modules))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "set()\n"


def build(model_of: ModelOf) -> App:
    """Build an app in the domain of the tests, a second before the tick."""
    folder, started = Path(os.environ["FOLDER"]), time.monotonic()
    store = SqliteStore(folder / "threads.db")
    ports = build_ports(
        store, ScriptedLLM.of({"intent": "done", "message": "bye"}), World(folder / "w.db")
    )

    def clock() -> datetime:
        return TICK + timedelta(seconds=time.monotonic() - started - 1)

    return App(ports, LocalRunner(ports, poll_s=0.1), (partial(serve, clock=clock),))


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
async def test_two_servers_start_and_run_each_tick_once(
    app: App, servers: list[subprocess.Popen[bytes]]
) -> None:
    async with asyncio.timeout(30):
        while [each.status for each in await app.ports.store.threads()] != ["finished"] * 2:
            assert [server.poll() for server in servers] == [None, None]
            await asyncio.sleep(0.05)
    for server in servers:
        server.terminate()
    assert [server.wait(15) for server in servers] == [0, 0]
    thread = await app.ports.store.load(name_thread(make_schedule(), TICK))
    assert [each.actor for each in thread.events if each.type == "message"] == ["cron:report"]


if __name__ == "__main__":
    cli = typer.Typer()
    http.mount(cli, build)
    cli()
