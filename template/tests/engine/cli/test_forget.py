"""Deleting threads at the terminal, and by themselves."""

import asyncio
from datetime import timedelta

import pytest

from agent.engine.log.errors import Forgotten, Misconfigured, Refused
from agent.engine.log.events import make_event
from agent.engine.log.thread import Thread
from agent.engine.loop.deletion import forget
from agent.engine.loop.ports import Ports
from agent.engine.runners.app import no_model
from agent.engine.runners.local import LocalRunner
from agent.engine.runners.retention import read_retention, sweep
from agent.engine.stores.memory import MemoryStore

from ..conftest import Clock
from ..domain import make_answer, make_message, make_pause, store_thread
from .conftest import Desk, now

ENDED = make_event("finished", message="bye")


@pytest.fixture
def full(desk: Desk, clock: Clock) -> Desk:
    """Threads of ana and bob: old ones that ended, waits and runs, and a new one that ended."""
    desk.happened(make_message("1", "ana"), ENDED, thread_id="a-old")
    desk.happened(make_message("2", "bob"), ENDED, thread_id="b-old")
    desk.happened(make_message("3", "ana"), make_pause("question"), thread_id="waits")
    desk.happened(make_message("4", "ana"), thread_id="runs")
    clock.tick(timedelta(days=40).total_seconds())
    desk.happened(make_message("5", "ana"), ENDED, thread_id="new")
    return desk


def left(desk: Desk) -> set[str]:
    return set(now(desk.store.ids()))


ALL = {"a-old", "b-old", "waits", "runs", "new"}


@pytest.mark.parametrize(
    ("words", "gone"),
    [
        (("a-old",), {"a-old"}),
        (("a-o", "b-old"), {"a-old", "b-old"}),
        (("--older-than", "30d"), {"a-old", "b-old"}),
        (("--older-than", "1000h"), set()),
        (("--older-than", "5w"), {"a-old", "b-old"}),
        (("--older-than", "30d", "--started-by", "ana"), {"a-old"}),
        (("--started-by", "ana"), {"a-old", "new"}),
        (("--started-by", "ana", "--cancel"), {"a-old", "new", "waits"}),
        (("waits",), set()),
        (("waits", "--cancel"), {"waits"}),
        (("runs", "--cancel"), set()),
        (("--started-by", "nobody"), set()),
    ],
)
def test_what_is_meant_is_deleted_and_nothing_else(
    full: Desk, words: tuple[str, ...], gone: set[str]
) -> None:
    dry = full.agent("forget", *words)
    assert dry.exit_code == 0
    assert left(full) == ALL, "without --yes it only says so"
    ran = full.agent("forget", *words, "--yes")
    assert (ran.exit_code, left(full)) == (0, ALL - gone)
    assert f"Deleted: {len(gone)}." in ran.stderr


def test_what_would_be_deleted_is_counted(full: Desk) -> None:
    ran = full.agent("forget", "--older-than", "30d")
    assert ran.stderr == "This would delete 2. To delete them: agent forget … --yes\n"
    waits = full.agent("forget", "waits")
    assert waits.stderr.startswith("Kept, because they wait for an answer (use --cancel): 1.")


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ((), "name threads by id"),
        (("--older-than", "soon"), "'soon' is not a time such as 36h, 30d or 8w"),
        (("--older-than", "-3d"), "is not a time"),
    ],
)
def test_what_is_unclear_deletes_nothing(full: Desk, words: tuple[str, ...], problem: str) -> None:
    ran = full.agent("forget", *words, "--yes")
    assert ran.exit_code == 2
    assert problem in ran.stderr
    assert left(full) == ALL


def test_an_unknown_thread_is_said_and_nothing_is_deleted(full: Desk) -> None:
    ran = full.agent("forget", "a-old", "nowhere", "--yes")
    assert ran.exit_code == 1
    assert "no thread's id begins with 'nowhere'" in ran.stderr
    assert left(full) == ALL


def test_a_deleted_thread_is_gone_at_every_command(full: Desk) -> None:
    full.agent("forget", "a-old", "--yes")
    for command in (("show", "a-old"), ("cancel", "a-old"), ("fork", "a-old", "--at", "1")):
        ran = full.agent(*command)
        assert ran.exit_code == 1
        assert "a-old" in ran.stderr
    with pytest.raises(Forgotten):
        now(full.store.load("a-old"))


def test_old_threads_go_by_themselves_if_that_is_set(
    full: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RETENTION_DAYS", "30")
    kept = read_retention()
    assert kept
    assert now(sweep(full.bind(no_model), kept)) == 2
    assert left(full) == {"waits", "runs", "new"}
    assert now(sweep(full.bind(no_model), kept)) == 0


def test_without_a_setting_nothing_goes(full: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RETENTION_DAYS", raising=False)
    assert read_retention() is None


@pytest.mark.parametrize("text", ["0", "-1", "a month", "1.5"])
def test_a_retention_that_is_no_number_of_days_stops_the_runner(
    text: str, full: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RETENTION_DAYS", text)
    with pytest.raises(Misconfigured, match="RETENTION_DAYS"):
        now(LocalRunner(full.bind(no_model)).work())
    assert left(full) == ALL


def test_a_thread_that_grew_meanwhile_is_kept(full: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    forget = full.store.forget

    async def grow_first(thread: object) -> None:
        await full.store.append(await full.store.load("a-old"), make_message("wait!"))
        await forget(thread)  # type: ignore[arg-type]

    monkeypatch.setattr(full.store, "forget", grow_first)
    ran = full.agent("forget", "a-old", "--yes")
    assert "Kept a-old: " in ran.stderr
    assert len(full.thread("a-old").events) == 3


def test_a_thread_that_began_to_wait_meanwhile_is_not_cancelled(
    full: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without `--cancel` nobody agreed to that."""
    load = full.store.load
    loads = 0

    async def ask_meanwhile(thread_id: str) -> Thread:
        nonlocal loads
        loads += 1
        thread = await load(thread_id)
        if loads == 2:
            thread = await full.store.append(thread, make_message("more"), make_pause("question"))
        return thread

    monkeypatch.setattr(full.store, "load", ask_meanwhile)
    ran = full.agent("forget", "a-old", "--yes")
    assert "Kept a-old: " in ran.stderr
    assert full.thread("a-old").state.status == "waiting:question"


def test_of_two_deletions_at_once_one_succeeds(full: Desk) -> None:
    async def delete_twice() -> list[BaseException | None]:
        ports = full.bind(no_model)
        both = (forget(ports, "a-old", actor="ana") for _ in range(2))
        return await asyncio.gather(*both, return_exceptions=True)

    (failed,) = filter(None, now(delete_twice()))
    assert isinstance(failed, Forgotten | Refused)
    assert left(full) == ALL - {"a-old"}


async def test_a_thread_that_was_answered_meanwhile_is_not_cancelled(
    store: MemoryStore, ports: Ports
) -> None:
    thread = await store_thread(store, make_message(), make_pause("question"))
    answered = await store.append(thread, make_answer(2, "answer", text="yes"))

    async def load_old(_: str) -> Thread:
        del store.load
        return thread

    store.load = load_old  # type: ignore[method-assign,assignment]
    with pytest.raises(Refused, match="the thread no longer waits; nothing was changed"):
        await forget(ports, "t", actor="ana", cancelling=True)
    assert await store.load("t") == answered
