"""Who may call, and a real server in a process of its own; started itself, this is the server."""

import asyncio
import gc
import hmac
import json
import os
import re
import signal
import socket
import sqlite3
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2
import pytest
import typer
from typer.testing import CliRunner

from agent.engine import Call
from agent.engine.http import mount
from agent.engine.http import server as http_server
from agent.engine.http.server import create_app, listen
from agent.engine.http.tokens import Tokens
from agent.engine.llms.scripted import ScriptedLLM
from agent.engine.log.errors import Misconfigured
from agent.engine.log.thread import Thread
from agent.engine.loop.actions import Action, Run
from agent.engine.loop.ports import Ports
from agent.engine.people.identity import AnyName
from agent.engine.runners.app import App, ModelOf
from agent.engine.runners.local import LocalRunner
from agent.engine.stores.sqlite import SqliteStore

from ..domain import Asleep, Charge, World, build_ports, make_decide
from .conftest import TOKENS, api_of, bearer, begin, caller

ROOT = Path(__file__).parents[3]
GOOD = "0f1e2d3c4b5a69788796a5b4c3d2e1f0"
SCRIPT = (
    {"intent": "charge", "amount": 7},
    {"intent": "charge", "amount": 500},
    {"intent": "done", "message": "bye"},
)

server = pytest.mark.server


async def test_a_collection_of_garbage_leaves_out_what_was_there_at_the_start(
    ports: Ports, monkeypatch: pytest.MonkeyPatch
) -> None:
    frozen: list[int] = []

    async def serve(_: Any) -> None:
        frozen.append(gc.get_freeze_count())

    monkeypatch.setattr(http_server._Server, "serve", serve)
    gc.unfreeze()
    try:
        await listen(App(ports, LocalRunner(ports)), Tokens.parse(f"ana:{GOOD}"), "127.0.0.1", 0)
    finally:
        gc.unfreeze()
    assert frozen[0] > 0


def test_a_token_names_its_actor() -> None:
    known = Tokens.parse(f" ana:{GOOD} , ana:new-{GOOD},bob:a:{GOOD},")
    assert known.find_name(GOOD) == known.find_name(f"new-{GOOD}") == "ana"
    assert known.find_name(f"a:{GOOD}") == "bob"


@pytest.mark.parametrize("given", ["", GOOD[:-1], GOOD + "x", GOOD.upper(), "ana", "\xe9" * 20])
def test_nobody_else_has_a_name(given: str) -> None:
    assert Tokens.parse(f"ana:{GOOD}").find_name(given) is None


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "holds no token"),
        (" , ", "holds no token"),
        (GOOD, "not name:token"),
        (f":{GOOD}", "not name:token"),
        ("ana:", "not name:token"),
        ("ana:short", "too easy to guess"),
        ("ana:0f1e2d3c4b5a697", "too easy to guess"),
        ("ana:" + "ab" * 20, "too easy to guess"),
        ("ana:letmeinletmein12", "too easy to guess"),
        ("ana:letmeinletmeinletmein123", "too easy to guess"),
        ("ana:0123456789abcdef", "too easy to guess"),
        ("ana:0000000000000000000000000000", "too easy to guess"),
        ("ana:abcdefghijklmnopqrstuvwxyz012345", "too easy to guess"),
        ("ana:1234567890qwertyuiopasdfghjklzxcvbnm", "too easy to guess"),
        ("ana:correcthorsebatterystaple", "too easy to guess"),
        ("ana:letmein-today-and-tomorrow-ana-2024", "too easy to guess"),
        ("ana:http://localhost:8000/my-own-agent", "too easy to guess"),
        (f"ana:{GOOD[:31]}", "too easy to guess"),
        ("ana:<make one with: openssl rand -hex 32>", "placeholder"),
        ("ana:make one with: openssl rand -hex 32", "placeholder"),
        ("ana:change-me-change-me-0123", "placeholder"),
        ("ana:YOUR-TOKEN-0123456789ab", "placeholder"),
        (f"anyone:{GOOD}", "a reserved name"),
        (f"owner:{GOOD}", "a reserved name"),
        (f"system:{GOOD}", "a reserved name"),
        (f"agent:{GOOD}", "a reserved name"),
        (f"ana:{GOOD},bob:{GOOD}", "entry 2: another name has this token"),
    ],
)
def test_tokens_that_protect_nothing_are_refused(text: str, problem: str) -> None:
    with pytest.raises(Misconfigured, match=problem) as raised:
        Tokens.parse(text)
    assert GOOD not in str(raised.value)


def test_without_tokens_the_message_says_how_to_make_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("API_TOKENS", raising=False)
    with pytest.raises(Misconfigured, match=r"API_TOKENS is not set\..*openssl rand -hex 32"):
        Tokens.from_env()


def test_every_token_is_compared_whichever_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[int] = []

    def counted(known: bytes, given: bytes) -> bool:
        compared.append(len(given))
        return hmac.compare_digest(known, given)

    monkeypatch.setattr("agent.engine.http.tokens.compare_digest", counted)
    known = Tokens.parse(f"ana:{GOOD},bob:b{GOOD},eve:e{GOOD}")
    for given in (GOOD, f"e{GOOD}", "x"):
        known.find_name(given)
    assert compared == [32] * 9


async def test_it_is_alive_but_not_ready_while_the_store_hangs_or_it_stops(
    ports: Ports, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def hang(*_: object, **__: object) -> None:
        await asyncio.Event().wait()

    api = api_of(ports, Asleep())
    async with caller(api) as anybody:
        assert (await anybody.get("/readyz")).status_code == 200
        with monkeypatch.context() as patch:
            patch.setattr("agent.engine.http.server.PATIENCE_S", 0.01)
            patch.setattr(ports.store, "threads", hang)
            answer = await anybody.get("/readyz")
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
            assert (await anybody.get("/healthz")).status_code == 200
        api.state.service.closing.set()
        assert (await anybody.get("/readyz")).status_code == 503
        assert (await anybody.get("/healthz")).status_code == 200


async def test_a_runner_that_broke_is_a_health_problem(ports: Ports) -> None:
    class Broken(Asleep):
        async def work(self, concurrency: int = 1) -> None:
            raise Misconfigured("the database is from tomorrow")

    api = api_of(ports, Broken())
    async with api.router.lifespan_context(api), caller(api) as anybody:
        await asyncio.sleep(0)
        answer = await anybody.get("/healthz")
    assert answer.status_code == 503
    assert answer.json()["detail"] == "it cannot go on: the database is from tomorrow"


async def test_where_workers_run_the_threads_a_server_runs_none(ports: Ports) -> None:
    class Elsewhere(Asleep):
        elsewhere = True

        async def work(self, concurrency: int = 1) -> None:
            raise AssertionError("it runs them here")

    api = api_of(ports, runner := Elsewhere())
    async with api.router.lifespan_context(api), caller(api, "ana") as ana:
        thread_id = (await begin(ana)).json()["id"]
        await asyncio.sleep(0)
        assert (await ana.get("/healthz")).status_code == 200
    assert runner.woken == [thread_id]


def build(model_of: ModelOf) -> App:
    """Plug in the domain of the tests; charging 7 takes a second."""
    folder = Path(os.environ["FOLDER"])
    world = World(folder / "world.db")
    decide = make_decide(world)

    def slowly(step: Charge, call: Call) -> str:
        time.sleep(1)
        return world.charge(step, call)

    def decide_slowly(step: Any, thread: Thread) -> Action | None:
        return Run(slowly) if step == Charge(intent="charge", amount=7) else decide(step, thread)

    store = SqliteStore(folder / "threads.db")
    ports = build_ports(store, ScriptedLLM.of(*SCRIPT), world, decide=decide_slowly)
    return App(ports, LocalRunner(ports, poll_s=0.1))


class Server:
    """`agent serve` on a free port."""

    def __init__(self, folder: Path) -> None:
        named = ",".join(f"{name}:{token}" for name, token in TOKENS.items())
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-W", "error", "-m", "tests.engine.http.test_server"),
                *("--port", "0", "--model", "scripted"),
            ],
            cwd=ROOT,
            env={**os.environ, "API_TOKENS": named, "FOLDER": str(folder)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.said = ""

    def caller(self) -> httpx2.Client:
        """Wait until it listens."""
        assert self.process.stderr
        for line in self.process.stderr:
            self.said += line
            if found := re.search(r"running on (http://\S+)", line):
                return httpx2.Client(base_url=found[1], headers=bearer("ana"), timeout=10)
        raise AssertionError(f"it never listened:\n{self.said}")

    def stop(self, sent: signal.Signals = signal.SIGTERM) -> int:
        """Stop it and return its exit code."""
        self.process.send_signal(sent)
        return self.wait()

    def wait(self) -> int:
        _, rest = self.process.communicate(timeout=15)
        self.said += rest
        return self.process.returncode


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[[], Server]]:
    started: list[Server] = []

    def start() -> Server:
        started.append(Server(tmp_path))
        return started[-1]

    yield start
    for one in started:
        if one.process.poll() is None:
            one.process.kill()
            one.wait()


def launch(ana: httpx2.Client) -> str:
    headers = {"Idempotency-Key": "k"}
    answer = ana.post("/threads", json={"text": "charge"}, headers=headers)
    assert answer.status_code == 202
    return str(answer.json()["id"])


def follow(ana: httpx2.Client, thread_id: str, until: str, after: int = 0) -> list[dict[str, Any]]:
    """Read the stream up to the first event of the type `until`."""
    events: list[dict[str, Any]] = []
    headers = {"Last-Event-ID": str(after)}
    with ana.stream("GET", f"/threads/{thread_id}/events", headers=headers) as stream:
        for line in stream.iter_lines():
            if line.startswith("data: "):
                events.append(json.loads(line.removeprefix("data: ")))
                if events[-1]["type"] == until:
                    break
    return events


@server
def test_a_thread_outlives_its_servers_and_its_stream_loses_nothing(
    serve: Callable[[], Server], tmp_path: Path
) -> None:
    first = serve()
    with first.caller() as ana:
        thread_id = launch(ana)
        events = follow(ana, thread_id, "paused")
    assert first.stop() == 0
    second = serve()
    with second.caller() as ana:
        (wait,) = ana.get("/waits").json()
        answer = {"verdict": "approve", "digest": wait["digest"]}
        path = f"/threads/{thread_id}/waits/{wait['wait']}"
        assert [ana.post(path, json=answer).status_code for _ in range(2)] == [202, 202]
        events += follow(ana, thread_id, "finished", after=events[-1]["seq"])
        assert launch(ana) == thread_id
    assert second.stop() == 0
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    assert World(tmp_path / "world.db").effects("charge") == ["7", "500"]
    assert "Traceback" not in first.said + second.said


@server
def test_a_websocket_is_refused(serve: Callable[[], Server]) -> None:
    """Its connection would not count towards the limit, and no route has one."""
    running = serve()
    upgrade = {"Connection": "Upgrade", "Upgrade": "websocket"}
    upgrade |= {"Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA=="}
    with running.caller() as ana:
        answer = ana.get("/healthz", headers=upgrade)
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
    assert running.stop() == 0


@server
def test_an_open_stream_does_not_hold_up_sigterm(serve: Callable[[], Server]) -> None:
    running = serve()
    with running.caller() as ana:
        thread_id = launch(ana)
        follow(ana, thread_id, "paused")
        with ana.stream("GET", f"/threads/{thread_id}/events") as stream:
            lines = stream.iter_lines()
            next(lines)
            running.process.send_signal(signal.SIGTERM)
            assert list(lines)[-1] == ""  # the stream ended as it should, not in the middle
            assert running.wait() == 0
    assert "Traceback" not in running.said


@server
def test_a_client_that_leaves_is_not_logged_as_an_error(serve: Callable[[], Server]) -> None:
    running = serve()
    with running.caller() as ana:
        thread_id = launch(ana)
        follow(ana, thread_id, "paused")
        port, token = ana.base_url.port, bearer("ana")["Authorization"]
        half = "Content-Length: 50\r\nContent-Type: {}\r\n\r\n{{"
        for request, more in (
            (f"GET /threads/{thread_id}/events", "\r\n"),
            ("POST /threads", "Idempotency-Key: k\r\n" + half.format("application/json")),
            ("POST /login", half.format("application/x-www-form-urlencoded")),
        ):
            with socket.create_connection(("127.0.0.1", port)) as left:
                head = f"{request} HTTP/1.1\r\nHost: a\r\nAuthorization: {token}\r\n"
                left.sendall(head.encode() + more.encode())
                time.sleep(0.2)
                # Leave with a reset, as a process that is killed does.
                left.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        launch(ana)
    assert running.stop() == 0
    assert "Traceback" not in running.said
    assert "ERROR" not in running.said


@server
def test_sigterm_lets_a_running_tool_end(serve: Callable[[], Server], tmp_path: Path) -> None:
    running = serve()
    with running.caller() as ana:
        thread_id = launch(ana)
        follow(ana, thread_id, "tool_started")
    assert running.stop() == 0
    with closing(sqlite3.connect(tmp_path / "threads.db")) as db:
        found = db.execute("SELECT type FROM events WHERE thread_id = ?", (thread_id,)).fetchall()
    assert ("tool_finished",) in found
    assert World(tmp_path / "world.db").effects("charge") == ["7"]


@server
def test_a_database_from_tomorrow_ends_the_server_with_the_reason(
    serve: Callable[[], Server], tmp_path: Path
) -> None:
    with closing(sqlite3.connect(tmp_path / "threads.db")) as db:
        db.execute("PRAGMA user_version = 99")
    running = serve()
    assert running.wait() == 1
    assert "newer version" in running.said


@pytest.mark.parametrize(
    ("tokens", "model", "why"),
    [("", "scripted", "API_TOKENS is not set"), (f"ana:{TOKENS['ana']}", "", "MODEL is not set")],
)
def test_serve_refuses_to_start_without(
    monkeypatch: pytest.MonkeyPatch, tokens: str, model: str, why: str
) -> None:
    monkeypatch.setenv("API_TOKENS", tokens)
    monkeypatch.delenv("MODEL", raising=False)
    cli = typer.Typer()
    mount(cli, lambda model_of: pytest.fail(f"it was built with {model_of('test')}"))
    refused = CliRunner().invoke(cli, ["--model", model]).exception
    assert isinstance(refused, Misconfigured)
    assert why in str(refused)


def test_the_command_line_does_not_import_the_web() -> None:
    code = (
        "import sys, typer; from agent.engine.http import mount; mount(typer.Typer(), print);"
        "print({'fastapi', 'starlette', 'uvicorn'} & set(sys.modules))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "set()\n"


if __name__ == "__main__":
    cli = typer.Typer()
    mount(cli, build)
    cli()


def test_a_token_for_a_team_is_refused(ports: Ports) -> None:
    class Club(AnyName):
        def find_members(self, name: str) -> tuple[str, ...]:
            return ("ana", "bob") if name == "support" else (name,)

    tokens = Tokens.parse(f"ana:{GOOD},support:a{GOOD}")
    with pytest.raises(Misconfigured, match="'support' is a team; a token is for one person"):
        create_app(App(replace(ports, directory=Club()), Asleep()), tokens)
