"""Moving house: every thread, and every question in it, from one store to another."""

import asyncio
import json
import os
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

import pytest
from typer.testing import CliRunner, Result

from agent.engine.cli import build_commands
from agent.engine.cli.admin import format_thread, mount
from agent.engine.log.errors import Refused
from agent.engine.log.events import CallJson
from agent.engine.log.thread import Thread
from agent.engine.loop.api import resume
from agent.engine.runners.app import App
from agent.engine.runners.local import LocalRunner
from agent.engine.stores.sqlite import SqliteStore

from ..domain import (
    Says,
    World,
    build_ports,
    list_types,
    make_answer,
    make_delivery,
    make_message,
    make_pause,
    make_step,
    make_thread,
    store_thread,
)

T = TypeVar("T")

RISKY: CallJson = {"intent": "charge", "amount": 500}
DONE = {"intent": "done", "message": "bye"}


class House:
    """An agent with its threads in a file, and whoever runs it."""

    def __init__(self, path: Path, world: World) -> None:
        self.store = SqliteStore(path)
        self.ports = build_ports(self.store, Says(DONE), world)

    def does(self, *words: str, stdin: str | bytes = "", code: int = 0) -> Result:
        cli = build_commands(lambda _: App(self.ports, LocalRunner(self.ports)), mount)
        ran = CliRunner().invoke(cli, words, input=stdin, catch_exceptions=False)
        assert ran.exit_code == code, ran.output
        return ran

    def now(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        return asyncio.run(work())

    def keeps(self, *threads: Thread) -> None:
        async def kept() -> None:
            for thread in threads:
                await store_thread(self.store, *thread.events, thread_id=thread.id)

        self.now(kept)

    def threads(self) -> list[Thread]:
        async def all_of_them() -> list[Thread]:
            return [await self.store.load(row.id) for row in await self.store.threads()]

        return self.now(all_of_them)


@pytest.fixture
def old(tmp_path: Path, world: World) -> House:
    return House(tmp_path / "old.db", world)


@pytest.fixture
def new(tmp_path: Path, world: World) -> House:
    return House(tmp_path / "new.db", world)


ASKED = make_thread(
    make_message(),
    make_step("charge", amount=500),
    make_pause("approval", call=RISKY),
    make_delivery(3),
    thread_id="asked",
)
BEGUN = make_thread(
    make_message("naïve 😀 \x1b[31m", x=[{"": None}, 2**70, 0.1]), thread_id="begun"
)


def lines(*threads: Thread) -> str:
    return "".join(f"{format_thread(thread)}\n" for thread in threads)


def test_everything_is_moved_and_stays_in_its_order(old: House, new: House, tmp_path: Path) -> None:
    old.keeps(ASKED, BEGUN)
    file = str(tmp_path / "threads.jsonl")
    assert "Exported threads: 2." in old.does("export", file).stderr
    assert "Imported threads: 2; already here: 0." in new.does("import", file).stderr
    assert new.threads() == old.threads() == [BEGUN, ASKED]


def test_it_goes_through_a_pipe_too(old: House, new: House) -> None:
    old.keeps(ASKED, BEGUN)
    exported = old.does("export").stdout
    assert exported == lines(ASKED, BEGUN)
    new.does("import", stdin=exported)
    assert new.threads() == old.threads()


def test_a_question_asked_before_is_answered_after(old: House, new: House, world: World) -> None:
    old.keeps(ASKED)
    new.does("import", stdin=old.does("export").stdout)

    async def answered() -> Thread:
        approve = {"actor": "ana", "digest": ASKED.event(3).data["digest"]}
        await resume(new.ports, "asked", 3, "approve", **approve)
        with pytest.raises(Refused, match="already closed"):
            await resume(new.ports, "asked", 3, "reject", **approve)
        return await LocalRunner(new.ports).finish("asked")

    assert list_types(new.now(answered))[-2:] == ["finished", "delivered"]
    assert world.effects("charge") == ["500"]


def test_what_is_there_already_is_not_repeated(old: House, new: House) -> None:
    old.keeps(ASKED)
    new.does("import", stdin=lines(ASKED))
    again = new.does("import", stdin=lines(ASKED, BEGUN))
    assert "Imported threads: 1; already here: 1." in again.stderr
    assert new.threads() == [BEGUN, ASKED]


def test_what_went_on_where_it_was_is_added(new: House) -> None:
    grown = make_thread(*ASKED.events, make_message("and?"), thread_id="asked")
    new.does("import", stdin=lines(ASKED))
    new.does("import", stdin=lines(grown))
    new.does("import", stdin=lines(ASKED))
    assert new.threads() == [grown]


def test_an_import_brings_no_standing_approval(new: House) -> None:
    scope = {"amount": 500}
    given = make_answer(3, "approve", standing={"intent": "charge", "values": scope})
    asked = make_pause("approval", call=RISKY, standing=scope)
    there = make_thread(make_message(), make_step(**RISKY), asked, given, thread_id="asked")
    assert there.state.standing
    for _ in range(2):
        new.does("import", stdin=lines(there))
    (here,) = new.threads()
    assert here.state.standing == ()
    assert here.events[-1].data["standing_elsewhere"] == given.data["standing"]


def test_an_export_with_a_standing_approval_is_there_already(new: House) -> None:
    scope = {"intent": "charge", "values": {"amount": 500}}
    log = make_message(), make_step(**RISKY), make_pause("approval", call=RISKY)
    thread = make_thread(*log, make_answer(3, "approve", standing=scope), thread_id="asked")
    new.keeps(thread)
    assert "already here: 1." in new.does("import", stdin=lines(thread)).stderr
    assert new.threads() == [thread]


def test_what_went_on_in_both_places_is_left_as_it_is(new: House) -> None:
    here = make_thread(*ASKED.events, make_message("here"), thread_id="asked")
    there = make_thread(*ASKED.events, make_message("there"), thread_id="asked")
    new.keeps(here)
    refused = new.does("import", stdin=lines(BEGUN, there), code=1)
    assert "line 2: thread asked continued differently here" in refused.stderr
    assert new.threads() == [BEGUN, here]


@pytest.mark.parametrize(
    "broken",
    [
        format_thread(BEGUN)[:-20],
        "garbage",
        b"\xff\xfe",
        "[]",
        "null",
        "[" * 100_000,
        json.dumps({"thread": "x", "events": []}),
        json.dumps({"thread": 1, "events": json.loads(format_thread(BEGUN))["events"]}),
        format_thread(BEGUN).replace("+00:00", ""),
        format_thread(BEGUN).replace('"ana"', "null"),
        format_thread(BEGUN).replace('"data"', '"date"'),
        format_thread(ASKED).replace('"call": {"intent"', '"tool": {"intent"', 1),
    ],
    ids=lambda text: str(text[:12]),
)
def test_an_import_ends_at_a_line_that_is_none_and_can_be_done_again(
    broken: str | bytes, new: House
) -> None:
    good = lines(ASKED).encode()
    broken = broken.encode() if isinstance(broken, str) else broken
    stopped = new.does("import", stdin=good + broken, code=1)
    assert "agent: line 2: it is incomplete, or not a line of an export" in stopped.stderr
    assert "the 1 before it were imported, and importing them again is safe" in stopped.stderr
    assert new.threads() == [ASKED]
    new.does("import", stdin=good + lines(BEGUN).encode())
    assert new.threads() == [BEGUN, ASKED]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such modes")
def test_only_the_owner_of_the_process_may_read_an_export(old: House, tmp_path: Path) -> None:
    file = tmp_path / "threads.jsonl"
    file.write_text("of yesterday")
    file.chmod(0o644)
    before = os.umask(0)
    try:
        old.does("export", str(file))
    finally:
        os.umask(before)
    assert file.stat().st_mode & 0o777 == 0o600


def test_an_export_is_complete_or_not_written(old: House, tmp_path: Path) -> None:
    old.keeps(ASKED)
    file, nowhere = tmp_path / "threads.jsonl", tmp_path / "no/such/folder"
    file.write_text("of yesterday")

    async def fails(thread_id: str) -> Thread:
        raise Refused("gone")

    assert "cannot write" in old.does("export", str(nowhere), code=1).stderr
    old.store.load = fails  # type: ignore[method-assign] # so that it ends in the middle
    old.does("export", str(file), code=1)
    assert file.read_text() == "of yesterday"


def test_migrate_makes_the_tables(new: House, tmp_path: Path) -> None:
    assert "The tables are up to date." in new.does("migrate").stderr
    assert (tmp_path / "new.db").exists()
