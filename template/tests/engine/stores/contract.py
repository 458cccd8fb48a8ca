"""What every store promises. The test of an adapter inherits this and brings its fixtures."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from agent.engine.cli.admin import add_thread, format_thread, parse_thread
from agent.engine.index import Summary, ThreadCount, Usage, Which, Worker, hash_delivery
from agent.engine.log.errors import Conflict, Forgotten, ThreadNotFound
from agent.engine.log.events import DECISIONS, FACTS, make_event
from agent.engine.log.thread import Thread
from agent.engine.loop.store import Claim, Store
from agent.engine.stores.memory import MemoryStore

from ..conftest import Clock
from ..domain import (
    list_types,
    make_answer,
    make_delivery,
    make_message,
    make_pause,
    make_result,
    make_start,
    make_step,
    store_thread,
)

Pass = Callable[[float], Awaitable[None]]

ODD: list[dict[str, Any]] = [
    {},
    {"text": "naïve 日本 😀 \ufffd \u2028 \x7f \x1b[31m \\u0000 '; DROP TABLE events; --"},
    {"number": 2**70, "float": 0.1, "small": -1e-300, "true": True, "none": None, "one": 1.0},
    {"nested": [[{"a": [{"b": {}}]}], []], "": "empty name", "a.b$c": 1},
    {"text": "x" * 100_000},
]


class StoreContract:
    @pytest.fixture
    def clock(self) -> Clock:
        return Clock()

    @pytest.fixture
    async def store(self, clock: Clock) -> Any:
        """Return an empty store; its clock is `clock` if that is possible."""
        raise NotImplementedError

    @pytest.fixture
    def passes(self, clock: Clock) -> Pass:
        """Return a function that advances the clock of the store, in seconds."""

        async def passed(seconds: float) -> None:
            clock.tick(seconds)

        return passed

    @pytest.fixture
    def jumps(self, clock: Clock) -> Pass:
        """Return a function that sets the clock of the store, though no time passes."""

        async def jumped(seconds: float) -> None:
            clock.jump(seconds)

        return jumped

    # The log

    async def test_appended_events_are_loaded(self, store: Store) -> None:
        thread = await store_thread(store, make_message("one"), make_step("look", at="x"))
        assert [each.seq for each in thread.events] == [1, 2]
        assert await store.load("t") == thread

    async def test_events_are_appended_at_the_end(self, store: Store) -> None:
        first = await store_thread(store, make_message())
        second = await store.append(first, make_step("look"))
        third = await store.append(second, make_start(2), make_result(2))
        assert list_types(third) == ["message", "step", "tool_started", "tool_finished"]
        assert third == await store.load("t")
        assert third.events[:1] == first.events

    async def test_a_thread_without_events_does_not_exist(self, store: Store) -> None:
        await store_thread(store, make_message(), thread_id="other")
        with pytest.raises(ThreadNotFound, match="'t'"):
            await store.load("t")

    async def test_an_old_version_cannot_be_appended_to(self, store: Store) -> None:
        old = await store_thread(store, make_message())
        new = await store.append(old, make_step("look"))
        for thread in (old, Thread("t")):
            with pytest.raises(Conflict):
                await store.append(thread, make_message("too late"))
        assert await store.load("t") == new

    async def test_of_many_appends_at_once_one_succeeds(self, store: Store) -> None:
        old = await store_thread(store, make_message())
        appends = [store.append(old, make_message(str(number))) for number in range(8)]
        outcomes = await asyncio.gather(*appends, return_exceptions=True)
        assert [type(each) for each in outcomes].count(Thread) == 1
        assert [type(each) for each in outcomes].count(Conflict) == 7
        assert (await store.load("t")).state.version == 2

    async def test_a_key_is_unique_in_a_thread(self, store: Store) -> None:
        thread = await store_thread(store, make_message(), make_delivery(1))
        with pytest.raises(Conflict):
            await store.append(thread, make_delivery(1))
        await store_thread(store, make_message(), make_delivery(1), thread_id="other")
        assert await store.load("t") == thread

    async def test_a_key_is_unique_within_one_append(self, store: Store) -> None:
        thread = await store_thread(store, make_message())
        with pytest.raises(Conflict):
            await store.append(thread, make_delivery(1), make_delivery(1))
        assert await store.load("t") == thread

    async def test_events_without_a_key_are_never_duplicates(self, store: Store) -> None:
        thread = await store_thread(store, make_message("twice"), make_message("twice"))
        assert len(thread.events) == 2

    async def test_several_events_are_appended_together_or_not_at_all(self, store: Store) -> None:
        thread = await store_thread(store, make_message(), make_delivery(1))
        with pytest.raises(Conflict):
            await store.append(thread, make_message("new"), make_step("look"), make_delivery(1))
        assert await store.load("t") == thread
        with pytest.raises(Conflict):
            await store.append(Thread("new"), make_delivery(1), make_delivery(1))
        with pytest.raises(ThreadNotFound):
            await store.load("new")

    @pytest.mark.parametrize("data", ODD, ids=["empty", "text", "numbers", "nested", "big"])
    async def test_data_is_loaded_unchanged(self, data: dict[str, Any], store: Store) -> None:
        odd = make_event("message", "Zoë \U0001f600", "in:'\"\\ é", text="", **{"x": data})
        await store_thread(store, odd, thread_id="odd ' id")
        loaded = (await store.load("odd ' id")).events[0]
        assert loaded.data == odd.data
        assert repr(loaded.data) == repr(odd.data)
        assert (loaded.actor, loaded.key) == (odd.actor, odd.key)

    @pytest.mark.parametrize("key", ["in:\0\udcff", "in:" + "k" * 10_000])
    async def test_any_delivery_key_is_unique(self, key: str, store: Store) -> None:
        odd = make_event("message", "ana\0\ud800", key, text="")
        thread = await store_thread(store, odd)
        assert (await store.load("t")).find(odd.key or "")
        with pytest.raises(Conflict):
            await store.append(thread, odd)

    async def test_a_long_thread_is_loaded_in_order(self, store: Store) -> None:
        await store_thread(store, *[make_message(str(number)) for number in range(1000)])
        loaded = await store.load("t")
        assert [each.data["text"] for each in loaded.events] == [str(n) for n in range(1000)]
        assert loaded.state.version == 1000

    @pytest.mark.parametrize("data", ODD, ids=["empty", "text", "numbers", "nested", "big"])
    async def test_a_thread_is_imported_and_exported_unchanged(
        self, data: dict[str, Any], store: Store, clock: Clock
    ) -> None:
        clock.tick(0.123456)
        before, after = MemoryStore(clock), MemoryStore()
        odd = make_event("message", "Zoë \U0001f600", "in:é", text="", x=data)
        await store_thread(before, odd, make_step("look"), make_pause("question"))
        for origin, target in ((before, store), (store, after)):
            assert await add_thread(target, parse_thread(format_thread(await origin.load("t"))))
            assert not await add_thread(target, await origin.load("t"))
        assert repr(await after.load("t")) == repr(await before.load("t"))

    # The clock

    async def test_an_event_gets_the_time_of_the_store_unless_it_has_one_already(
        self, store: Store, passes: Pass
    ) -> None:
        before = await store.now()
        first = await store_thread(store, make_message())
        await passes(60)
        copy = await store_thread(store, *first.events, make_message(), thread_id="copy")
        assert before.tzinfo == UTC
        assert first.events[0].at is not None
        assert first.events[0].at - before < timedelta(seconds=30)
        assert copy.events[0].at == first.events[0].at
        assert copy.events[1].at is not None
        assert copy.events[1].at - before >= timedelta(seconds=60)
        assert await store.load("copy") == copy

    # Following

    async def test_whoever_follows_a_thread_gets_what_is_appended(self, store: Store) -> None:
        thread = await store_thread(store, make_message())
        following = asyncio.create_task(store.grown(thread))
        await asyncio.sleep(0)
        grown = await store.append(thread, make_message("two"))
        assert await asyncio.wait_for(following, 5) == grown
        assert (await store.grown(thread)) == grown, "what is there already is not waited for"

    async def test_whoever_follows_another_thread_gets_nothing(self, store: Store) -> None:
        one = await store_thread(store, make_message(), thread_id="one")
        two = await store_thread(store, make_message(), thread_id="two")
        following = [asyncio.create_task(store.grown(each)) for each in (one, two)]
        await asyncio.sleep(0)
        await store.append(one, make_message())
        await asyncio.wait_for(following[0], 5)
        assert not following[1].done()
        following[1].cancel()
        again = asyncio.create_task(store.grown(two))
        await asyncio.sleep(0)
        grown = await store.append(two, make_message())
        assert await asyncio.wait_for(again, 5) == grown

    async def test_the_clock_advances(self, store: Store, passes: Pass) -> None:
        before = await store.now()
        await passes(60)
        assert await store.now() - before >= timedelta(seconds=60)

    # Leases

    async def claim_any(self, store: Store, holder: str = "") -> str | None:
        claim = await store.claim(holder or uuid4().hex, 30)
        return claim.thread_id if claim else None

    async def test_every_fact_makes_its_thread_due(self, store: Store) -> None:
        for fact in sorted(FACTS):
            thread = await self.make_idle(store, fact)
            assert await self.claim_any(store) is None
            data = {"text": "", "wait": 1, "verdict": "x", "step": 1, "ref": 1, "error": ""}
            await store.append(thread, make_event(fact, "ana", **data))
            assert await self.claim_any(store) == fact

    async def test_no_decision_makes_a_thread_due(self, store: Store) -> None:
        data = {"call": {"intent": "x"}, "step": 1, "kind": "timer", "upto": 1}
        for decision in sorted(DECISIONS):
            await store.append(await self.make_idle(store, decision), make_event(decision, **data))
            assert await self.claim_any(store) is None

    async def make_idle(self, store: Store, thread_id: str = "t") -> Thread:
        """Return a thread that was claimed and released with nothing to do."""
        thread = await store_thread(store, make_message(), thread_id=thread_id)
        await store.claim("before", 30, thread_id)
        await store.release("before", thread, None, 0)
        return thread

    async def test_a_claimed_thread_is_claimed_by_nobody_else(self, store: Store) -> None:
        await store_thread(store, make_message())
        assert await store.claim("me", 30) == Claim("t", 0, 0)
        assert await store.claim("you", 30) is None
        assert await store.claim("you", 30, "t") is None

    @pytest.mark.parametrize("passed_s", [0, 31])
    async def test_a_holder_that_claims_again_gets_its_lease_and_this_is_no_crash(
        self, passed_s: float, store: Store, passes: Pass
    ) -> None:
        """The answer of the store to the first claim was lost."""
        for name in "tu":
            await store_thread(store, make_message(), thread_id=name)
            await passes(1)
        for _ in range(3):
            assert await store.claim("me", 30) == Claim("t", 0, 0)
            await passes(passed_s)
        assert await store.claim("me", 30, "t") == Claim("t", 0, 0)
        assert await store.claim("you", 30, "t") is None
        assert await store.claim("you", 30) == Claim("u", 0, 0)
        await passes(31)
        assert await store.claim("he", 30, "t") == Claim("t", 0, 1)

    async def test_of_many_claims_at_once_one_succeeds(self, store: Store) -> None:
        await store_thread(store, make_message())
        claims = await asyncio.gather(*[store.claim(f"worker {n}", 30) for n in range(8)])
        assert [claim is None for claim in claims].count(False) == 1

    async def test_the_thread_due_longest_is_claimed_first(
        self, store: Store, passes: Pass
    ) -> None:
        for name in ("b", "a", "c"):
            await store_thread(store, make_message(), thread_id=name)
            await passes(1)
        assert [await self.claim_any(store) for _ in range(4)] == ["b", "a", "c", None]

    async def test_a_given_thread_can_be_claimed_even_if_it_is_not_due(self, store: Store) -> None:
        await self.make_idle(store)
        await store_thread(store, make_message(), thread_id="due")
        assert await store.claim("me", 30, "t") == Claim("t", 0, 0)
        assert await store.claim("me", 30, "no such thread") is None

    async def test_an_expired_lease_counts_as_a_crash(self, store: Store, passes: Pass) -> None:
        await store_thread(store, make_message())
        for crashes in range(3):
            claim = await store.claim(f"worker {crashes}", 30)
            assert claim == Claim("t", 0, crashes)
            await passes(29)
            assert await store.claim("you", 30) is None
            await passes(2)

    async def test_a_release_resets_the_count_of_crashes(self, store: Store, passes: Pass) -> None:
        thread = await store_thread(store, make_message())
        await store.claim("dead", 30)
        await passes(31)
        await store.claim("me", 30)
        await store.release("me", thread, await store.now(), 0)
        assert await store.claim("me", 30) == Claim("t", 0, 0)

    async def test_a_renewed_lease_lasts_longer(self, store: Store, passes: Pass) -> None:
        for name in ("a", "b"):
            await store_thread(store, make_message(), thread_id=name)
            await store.claim(f"holder of {name}", 30)
        await store_thread(store, make_message(), thread_id="c")
        await store.claim("you", 30)
        for _ in range(3):
            await passes(20)
            await store.renew(["nobody", "holder of a", "holder of b"], 30)
        assert await self.claim_any(store) == "c"
        assert await self.claim_any(store) is None

    async def test_a_released_thread_is_due_at_its_wake_time(
        self, store: Store, passes: Pass
    ) -> None:
        thread = await store_thread(store, make_message())
        await store.claim("me", 30)
        await store.release("me", thread, await store.now() + timedelta(seconds=60), 0)
        await passes(58)
        assert await self.claim_any(store) is None
        await passes(3)
        assert await self.claim_any(store) == "t"

    async def test_attempts_are_counted(self, store: Store, passes: Pass) -> None:
        thread = await store_thread(store, make_message())
        await store.claim("me", 30)
        await store.release("me", thread, await store.now(), 7)
        assert await store.claim("me", 30) == Claim("t", 7, 0)
        await passes(31)
        assert await store.claim("you", 30) == Claim("t", 7, 1)

    async def test_a_fact_resets_the_attempts_and_ends_the_back_off(self, store: Store) -> None:
        thread = await store_thread(store, make_message())
        await store.claim("me", 30)
        later = await store.now() + timedelta(hours=1)
        await store.release("me", thread, later, 7)
        await store.append(thread, make_message("more"))
        assert await store.claim("me", 30) == Claim("t", 0, 0)

    async def test_a_decision_keeps_the_back_off(self, store: Store, passes: Pass) -> None:
        thread = await store_thread(store, make_message())
        await store.claim("me", 30)
        await store.release("me", thread, await store.now() + timedelta(seconds=60), 7)
        await store.append(thread, make_step("look"))
        assert await self.claim_any(store) is None
        await passes(61)
        assert await store.claim("me", 30) == Claim("t", 7, 0)

    async def test_a_release_of_an_old_version_keeps_the_wake_up(self, store: Store) -> None:
        folded = await store_thread(store, make_message())
        await store.claim("me", 30)
        await store.append(folded, make_message("just now"))
        await store.release("me", folded, None, 0)
        assert await self.claim_any(store, "you") == "t"

    async def test_a_release_of_an_old_version_ends_the_lease(self, store: Store) -> None:
        folded = await store_thread(store, make_message())
        await store.claim("me", 30)
        await store.append(folded, make_message("just now"))
        await store.release("me", folded, await store.now() + timedelta(hours=1), 3)
        assert await store.claim("you", 30) == Claim("t", 0, 0)

    async def test_only_its_holder_can_end_a_lease(self, store: Store, passes: Pass) -> None:
        thread = await store_thread(store, make_message())
        await store.claim("slow", 30)
        await passes(31)
        await store.claim("me", 30)
        await store.release("slow", thread, None, 0)
        await store.renew(["slow"], 3600)
        assert await self.claim_any(store, "you") is None
        await passes(31)
        assert await self.claim_any(store, "you") == "t"

    @pytest.mark.parametrize("jump", [-3600, 3600])
    async def test_a_lease_ends_whatever_was_done_to_the_clock(
        self, jump: float, store: Store, jumps: Pass, passes: Pass
    ) -> None:
        thread = await store_thread(store, make_message(), make_step("look"))
        assert await store.claim("dead", 30) == Claim("t", 0, 0)
        await store.append(thread, make_start(2), make_result(2))
        await jumps(jump)
        await store.claim("you", 30)
        await passes(31)
        claim = await store.claim("you", 30)
        assert claim
        assert claim.thread_id == "t"

    async def test_a_thread_rests_no_longer_than_a_lease_if_the_clock_is_set_back(
        self, store: Store, jumps: Pass, passes: Pass
    ) -> None:
        await jumps(3600)
        thread = await store_thread(store, make_message(), make_step("look"))
        await store.claim("dead", 30)
        await store.append(thread, make_start(2), make_result(2))
        await jumps(-3600)
        assert await store.claim("you", 30) is None, "nobody knows yet that its holder is dead"
        await passes(29)
        assert await store.claim("you", 30) is None
        await passes(2)
        assert await store.claim("you", 30) == Claim("t", 0, 1)

    async def test_a_renewed_lease_is_kept_though_the_clock_is_set_back(
        self, store: Store, jumps: Pass, passes: Pass
    ) -> None:
        await store_thread(store, make_message())
        await store.claim("me", 30)
        await jumps(-3600)
        for _ in range(3):
            assert await store.claim("you", 30) is None
            await passes(20)
            await store.renew(["me"], 30)

    async def test_a_thread_released_before_the_clock_is_set_back_is_due(
        self, store: Store, jumps: Pass
    ) -> None:
        await jumps(3600)
        thread = await store_thread(store, make_message())
        await store.claim("me", 30)
        await store.release("me", thread, await store.now(), 0)
        await jumps(-3600)
        assert await self.claim_any(store) == "t"

    async def test_a_worker_that_died_is_forgotten_though_the_clock_is_set_back(
        self, store: Store, jumps: Pass, passes: Pass
    ) -> None:
        await jumps(3600)
        await store.announce(Worker("host:1", {}, []), 30)
        await jumps(-3600)
        await passes(31)
        assert await store.workers() == []

    async def test_appending_needs_no_lease(self, store: Store) -> None:
        thread = await store_thread(store, make_message())
        await store.claim("me", 30)
        await store.append(thread, make_message("from outside"))
        assert await self.claim_any(store, "you") is None

    # The list

    async def test_threads_are_listed_by_the_last_change_of_their_status(
        self, store: Store, passes: Pass
    ) -> None:
        for name in ("a", "b", "c"):
            await store_thread(store, make_message(), thread_id=name)
            await passes(1)
        await store.append(await store.load("b"), make_message("again"))
        await store.append(await store.load("a"), make_pause("question"))
        assert [each.id for each in await store.threads()] == ["a", "c", "b"]
        assert [each.id for each in await store.threads(limit=2)] == ["a", "c"]

    async def test_an_entry_of_the_list_summarizes_the_thread(
        self, store: Store, passes: Pass
    ) -> None:
        start = await store.now()
        thread = await store_thread(store, make_message("hello\n there", agent="second"))
        await passes(60)
        await store.append(thread, make_step("ask"), make_pause("question"))
        (line,) = await store.threads()
        assert isinstance(line, Summary)
        assert line.owner == "ana"
        assert (line.id, line.status, line.version) == ("t", "waiting:question", 3)
        assert line.title == "hello there"
        assert line.agent == "second"
        assert not line.running
        assert timedelta(0) <= line.created - start < timedelta(seconds=30)
        assert timedelta(seconds=60) <= line.updated - start < timedelta(seconds=90)

    async def test_only_waiting_threads_are_listed_on_request_and_the_last_wait_first(
        self, store: Store, passes: Pass
    ) -> None:
        for name in ("a", "b", "c"):
            await store_thread(store, make_message(), make_pause("question"), thread_id=name)
            await passes(1)
        await store.append(await store.load("a"), make_pause("question"))
        await store.append(await store.load("b"), make_answer(2, "answer"))
        assert [each.id for each in await store.threads(Which(status="waiting"))] == ["a", "c"]
        assert [each.id for each in await store.threads(Which(status="waiting", prefix="c"))] == [
            "c"
        ]

    async def test_open_waits_are_listed_with_the_event_that_opened_them(
        self, store: Store, passes: Pass
    ) -> None:
        for name in ("a", "b", "c"):
            await store_thread(store, make_message(name), make_pause("question"), thread_id=name)
            await passes(1)
        await store.append(await store.load("b"), make_answer(2, "answer"))
        await store.append(await store.load("c"), make_message("more"))
        (found,) = await store.waits()
        assert (found.thread.id, found.thread.title) == ("a", "a")
        assert found.paused == (await store.load("a")).event(2)
        await store.append(await store.load("c"), make_pause("limit"))
        assert [each.thread.id for each in await store.waits(limit=1)] == ["c"]

    async def test_a_copy_was_created_when_it_was_made(self, store: Store, passes: Pass) -> None:
        origin = await store_thread(store, make_message())
        await passes(3600)
        await store_thread(store, *origin.events, thread_id="copy")
        copy, first = await store.threads()
        assert (copy.id, first.id) == ("copy", "t")
        assert copy.created - first.created >= timedelta(hours=1)
        assert copy.updated - first.updated >= timedelta(hours=1)

    async def test_a_thread_is_running_while_somebody_holds_its_lease(
        self, store: Store, passes: Pass
    ) -> None:
        thread = await store_thread(store, make_message())
        await store.claim("me", 30)
        assert (await store.threads())[0].running
        await store.release("me", thread, await store.now(), 0)
        assert not (await store.threads())[0].running
        await store.claim("me", 30)
        await passes(31)
        assert not (await store.threads())[0].running

    async def test_waiting_threads_can_be_listed_alone(self, store: Store) -> None:
        threads = {
            "new": [],
            "asks": [make_pause("approval")],
            "sleeps": [make_pause("timer")],
            "answered": [make_pause("approval"), make_answer(2, "reject")],
            "done": [make_event("finished", message="bye")],
            "cancelled": [make_event("cancelled", "ana")],
        }
        for thread_id, events in threads.items():
            await store_thread(store, make_message(), *events, thread_id=thread_id)
        assert {each.id for each in await store.threads(Which(status="waiting"))} == {
            "asks",
            "sleeps",
        }
        assert {each.id for each in await store.threads()} == set(threads)

    async def test_threads_can_be_found_by_the_start_of_their_id(self, store: Store) -> None:
        for thread_id in ("ab1", "ab2", "a%", "b", "aB3"):
            await store_thread(store, make_message(), thread_id=thread_id)
        assert {each.id for each in await store.threads(Which(prefix="ab"))} == {"ab1", "ab2"}
        assert {each.id for each in await store.threads(Which(prefix="a%"))} == {"a%"}
        assert {each.id for each in await store.threads(Which(prefix="_"))} == set()
        assert len(await store.threads(Which(prefix=""))) == 5
        assert len(await store.threads(Which(status="waiting", prefix="ab"))) == 0

    async def test_the_threads_of_a_person_are_those_they_may_read(
        self, store: Store, passes: Pass
    ) -> None:
        await store_thread(store, make_message("one", "ana"), thread_id="a")
        await passes(1)
        await store_thread(
            store, make_message("two", "bob"), make_pause("approval", "ana"), thread_id="b"
        )
        await passes(1)
        carols = await store_thread(store, make_message("three", "carol"), thread_id="c")
        await passes(1)
        await store_thread(store, make_message("four", "dan"), thread_id="d")

        async def list_for(*names: str, limit: int = 9) -> list[str]:
            return [each.id for each in await store.threads(Which(names), limit)]

        assert await list_for("ana") == ["b", "a"]
        assert await list_for("bob") == ["b"]
        assert await list_for("ana", "bob", "carol") == ["c", "b", "a"]
        assert await list_for("ana", "bob", "carol", limit=2) == ["c", "b"]
        assert await list_for("eve") == []
        assert await list_for() == []
        await store.append(carols, make_message("me too", "ana"), make_pause("question"))
        assert await list_for("ana") == ["c", "b", "a"]
        (wait,) = await store.waits(Which(("bob",)))
        assert wait.thread.id == "b"
        assert await store.waits(Which(("eve",))) == []

    async def test_an_agent_may_add_readers_and_take_them_away(self, store: Store) -> None:
        names = {"support"}

        async def list_readers(thread: Thread) -> frozenset[str]:
            return thread.state.people | names

        store.list_readers = list_readers
        thread = await store_thread(store, make_message("one", "ana"))
        await store_thread(store, make_message("two", "bob"), thread_id="other")
        assert len(await store.threads(Which(("support",)))) == 2
        names.clear()
        thread = await store.append(thread, make_step("look", at="x"))
        assert [each.id for each in await store.threads(Which(("support",)))] == ["other"]
        names.add("head")
        for thread_id in await store.ids():
            await store.reindex(await store.load(thread_id))
        assert len(await store.threads(Which(("head",)))) == 2
        assert await store.threads(Which(("support",))) == []
        assert len(await store.threads(Which(("ana",)))) == 1

    async def test_threads_are_listed_by_their_status(self, store: Store) -> None:
        told = make_event("finished", message="bye")
        for name, *more in (
            ("asks", make_pause("question")),
            ("ended", told),
            ("runs",),
            ("rests",),
        ):
            await store_thread(store, make_message(), *more, thread_id=name)
        await store.claim("me", 30, "runs")

        async def list_of(status: Any) -> set[str]:
            both = [await store.threads(Which(names, status)) for names in (None, ("ana",))]
            assert both[0] == both[1]
            return {each.id for each in both[0]}

        assert await list_of("waiting") == {"asks"}
        assert await list_of("running") == {"runs"}
        assert await list_of("stalled") == {"rests"}
        assert await list_of("finished") == {"ended"}

    async def test_waits_are_found_by_whom_they_ask(self, store: Store) -> None:
        for name, asked in (("a", "ana"), ("b", "bob"), ("any", "anyone")):
            wait = make_pause("question", asked)
            await store_thread(store, make_message(), wait, thread_id=name)
        mine = Which(asked="ana")
        assert {each.id for each in await store.threads(mine)} == {"a", "any"}
        assert {each.thread.id for each in await store.waits(mine)} == {"a", "any"}
        assert {each.id for each in await store.threads(Which(("bob",), asked="bob"))} == {"b"}

    @pytest.mark.parametrize(
        ("text", "found"),
        [
            ("staging", {"a"}),
            ("STAGING", {"a"}),
            ("100%", {"b"}),
            ("0% of _", {"b"}),
            ("%", {"b"}),
            ("_", {"b"}),
            ("\\", {"b"}),
            ('"quoted"', {"b"}),
            ("the end", {"a"}),
            ("later", set()),
            ("naïve 日本", {"b"}),
            pytest.param("X" * 60_000, {"c"}, id="long"),
        ],
    )
    async def test_threads_are_found_by_their_first_message(
        self, text: str, found: set[str], store: Store
    ) -> None:
        long = f"deploy to staging {'x' * 500} the end"
        await store_thread(store, make_message("x" * 70_000), thread_id="c")
        odd = '100% of _ \\ and "quoted"\nnaïve 日本'
        await store_thread(store, make_message(long), make_message("later"), thread_id="a")
        await store_thread(store, make_message(odd), thread_id="b")
        for names in (None, ("ana",)):
            listed = await store.threads(Which(names, text=text))
            assert {each.id for each in listed} == found

    async def test_ids_are_listed_in_parts(self, store: Store) -> None:
        for name in ("b", "a", "c"):
            await store_thread(store, make_message(), thread_id=name)
        assert await store.ids() == ["a", "b", "c"]
        assert await store.ids(limit=2) == ["a", "b"]
        assert await store.ids("b") == ["c"]

    async def test_an_empty_store_has_an_empty_list(self, store: Store) -> None:
        assert await store.threads() == []
        assert await store.claim("me", 30) is None
        assert isinstance(await store.now(), datetime)

    # What stops threads

    async def test_a_problem_is_listed_with_the_next_try_until_the_thread_grows(
        self, store: Store
    ) -> None:
        thread = await store_thread(store, make_message())
        await store.claim("me", 30, "t")
        later = await store.now() + timedelta(seconds=40)
        await store.release("me", thread, later, 1, "the model is away")
        (row,) = await store.threads()
        assert (row.problem, row.running) == ("the model is away", False)
        assert row.next_try
        assert abs((row.next_try - later).total_seconds()) < 0.01
        thread = await store.append(thread, make_step("look", at="x"))
        (row,) = await store.threads()
        assert (row.problem, row.next_try) == ("", None)

    async def test_a_problem_that_is_retried_at_once_has_no_time_of_its_next_try(
        self, store: Store
    ) -> None:
        thread = await store_thread(store, make_message())
        await store.claim("me", 30, "t")
        await store.release("me", thread, await store.now(), 1, "the model is away")
        (row,) = await store.threads()
        assert (row.problem, row.next_try) == ("the model is away", None)

    async def test_a_problem_of_a_thread_that_waits_is_that_of_its_wait(self, store: Store) -> None:
        wait = make_pause("limit", cause="key", problem="the key is wrong")
        thread = await store_thread(store, make_message(), wait)
        await store.claim("me", 30, "t")
        await store.release("me", thread, None, 1, "the channel is away")
        (row,) = await store.threads()
        assert row.problem == "the key is wrong"

    async def test_readers_that_a_change_of_policy_added_go_with_it(self, store: Store) -> None:
        readers = {"ana"}

        async def list_readers(_: Thread) -> frozenset[str]:
            return frozenset(readers)

        store.list_readers = list_readers
        thread = await store_thread(store, make_message())
        readers.add("bob")
        await store.reindex(thread)
        assert await store.threads(Which(("bob",)))
        readers.remove("bob")
        await store.append(thread, make_step("look"))
        assert await store.threads(Which(("bob",))) == []

    async def test_a_problem_of_an_old_version_is_not_kept(self, store: Store) -> None:
        thread = await store_thread(store, make_message())
        await store.claim("me", 30, "t")
        await store.append(thread, make_message("more"))
        await store.release("me", thread, await store.now(), 1, "the model is away")
        (row,) = await store.threads()
        assert row.problem == ""

    async def test_people_are_notified_of_a_cause_once_in_a_while(
        self, store: Store, passes: Pass
    ) -> None:
        claims = (store.claim_notice("no key", 3600, name) for name in "abcde")
        taken = await asyncio.gather(*claims)
        assert sorted(taken) == [False] * 4 + [True]
        winner = "abcde"[taken.index(True)]
        assert await store.claim_notice("no key", 3600, winner), "it did not arrive"
        assert await store.claim_notice("another", 3600, "f")
        await passes(3601)
        assert await store.claim_notice("no key", 3600, "g")
        assert not await store.claim_notice("no key", 3600, winner)

    async def test_one_word_releases_every_thread_that_stopped_for_a_cause(
        self, store: Store, passes: Pass, jumps: Pass
    ) -> None:
        for name, cause in (("a", "no key"), ("b", "no key"), ("c", "no quota")):
            wait = make_pause("limit", cause=cause, problem=cause)
            thread = await store_thread(store, make_message(), wait, thread_id=name)
            thread = await store.append(thread, make_delivery(2))
            await store.claim("me", 30, name)
            await store.release("me", thread, None, 0)
        await store_thread(store, make_message(), make_pause("limit"), thread_id="d")
        for stopped, names in ((True, {"a", "b", "c"}), (False, {"d"}), (None, set("abcd"))):
            waits = await store.waits(Which(stopped=stopped))
            assert {each.thread.id for each in waits} == names
            assert {row.id for row in await store.threads(Which(stopped=stopped))} == names
        await store.forget(await store.load("d"))
        assert {row.id: row.problem for row in await store.threads()} == {
            "a": "no key", "b": "no key", "c": "no quota",
        }  # fmt: skip
        assert await self.claim_any(store) is None
        assert await store.find_release("b") == ""
        await jumps(-3600)
        await store.append(await store.load("a"), make_answer(2, "continue"))
        assert [await store.find_release(name) for name in "abcx"] == ["", "ana", "", ""]
        await passes(1)
        due = {await self.claim_any(store) for _ in range(3)}
        assert due == {"a", "b", None}
        continued = make_answer(2, "continue", "system", released_by="ana")
        await store.append(await store.load("b"), continued)
        assert await store.find_release("b") == ""

    async def test_a_thread_that_stops_for_the_cause_later_is_not_released(
        self, store: Store
    ) -> None:
        wait = make_pause("limit", cause="no key", problem="no key")
        first = await store_thread(store, make_message(), wait, thread_id="a")
        await store.append(first, make_answer(2, "continue"))
        await store_thread(store, make_message(), wait, thread_id="b")
        assert await store.find_release("b") == ""

    @pytest.mark.parametrize("verdict", ["stop", "expired"])
    async def test_no_other_word_releases_a_thread(self, verdict: str, store: Store) -> None:
        wait = make_pause("limit", cause="no key", problem="no key")
        for name in "ab":
            await store_thread(store, make_message(), wait, thread_id=name)
        await store.append(await store.load("a"), make_answer(2, verdict))
        assert await store.find_release("b") == ""

    async def test_a_thread_that_is_released_while_somebody_runs_it_stays_due(
        self, store: Store
    ) -> None:
        wait = make_pause("limit", cause="no key", problem="no key")
        for name in "ab":
            await store_thread(store, make_message(), wait, thread_id=name)
        await store.claim("me", 30, "b")
        await store.append(await store.load("a"), make_answer(2, "continue"))
        await store.release("me", await store.load("b"), None, 0)
        assert await store.claim("you", 30, "a")
        assert await self.claim_any(store) == "b"

    # Forgetting

    async def test_nothing_is_left_of_a_deleted_thread_but_its_id(
        self, store: Store, passes: Pass
    ) -> None:
        said = make_message("the secret plan")
        thread = await store_thread(store, replace(said, key="in:http:1"), make_pause("question"))
        await store_thread(store, make_message("other"), thread_id="other")
        await store.forget(thread)
        for gone in (store.load("t"), store.append(thread, make_message("late"))):
            with pytest.raises(Forgotten):
                await gone
        assert [row.id for row in await store.threads()] == ["other"]
        assert [row.id for row in await store.threads(Which(("ana",)))] == ["other"]
        assert await store.waits() == []
        assert await store.ids() == ["other"]
        assert await store.find_deliveries("t") == frozenset([hash_delivery("in:http:1")])
        assert await store.find_deliveries("other") is None
        with pytest.raises(Forgotten):
            await store.append(Thread("t"), make_message("again"))
        await store.compact()
        assert len((await store.load("other")).events) == 1

    async def test_whoever_follows_a_deleted_thread_learns_that(self, store: Store) -> None:
        thread = await store_thread(store, make_message())
        following = asyncio.create_task(store.grown(thread))
        await asyncio.sleep(0.05)
        await store.forget(thread)
        with pytest.raises(Forgotten):
            await asyncio.wait_for(following, 5)
        with pytest.raises(Forgotten):
            await asyncio.wait_for(store.grown(thread), 5)

    async def test_a_thread_that_runs_or_grew_is_not_deleted(
        self, store: Store, passes: Pass
    ) -> None:
        thread = await store_thread(store, make_message())
        await store.claim("me", 30, "t")
        with pytest.raises(Conflict):
            await store.forget(thread)
        await passes(31)
        await store.append(thread, make_message("more"))
        with pytest.raises(Conflict):
            await store.forget(thread)
        await store.forget(await store.load("t"))
        with pytest.raises(Conflict):
            await store.forget(thread)

    async def test_a_deletion_and_an_append_at_once_leave_all_or_nothing(
        self, store: Store
    ) -> None:
        for number in range(10):
            thread = await store_thread(store, make_message(), thread_id=f"t{number}")
            outcomes = await asyncio.gather(
                store.append(thread, make_message("more")),
                store.forget(thread),
                return_exceptions=True,
            )
            kept = isinstance(outcomes[1], Conflict)
            assert kept == isinstance(outcomes[0], Thread)
            if kept:
                assert len((await store.load(thread.id)).events) == 2
            else:
                assert isinstance(outcomes[0], Forgotten)
                assert thread.id not in await store.ids()

    async def test_the_lease_of_a_deleted_thread_can_be_released(
        self, store: Store, passes: Pass
    ) -> None:
        thread = await store_thread(store, make_message())
        assert await store.claim("late", 10)
        await passes(11)
        await store.forget(thread)
        await store.release("late", thread, None, 0)
        assert await store.ids() == []

    async def test_old_threads_can_be_listed(self, store: Store, passes: Pass) -> None:
        await store_thread(store, make_message(), thread_id="old")
        await passes(100)
        cut = await store.now() - timedelta(seconds=50)
        await store_thread(store, make_message(), thread_id="new")
        assert [row.id for row in await store.threads(Which(before=cut))] == ["old"]

    async def test_readers_of_a_thread_that_grew_meanwhile_are_not_written(
        self, store: Store
    ) -> None:
        thread = await store_thread(store, make_message())
        grown = await store.append(thread, make_message("me, too", "bob"))
        with pytest.raises(Conflict):
            await store.reindex(thread)
        assert await store.threads(Which(("bob",)))
        await store.reindex(grown)
        await store.forget(grown)
        with pytest.raises(Conflict):
            await store.reindex(grown)
        assert await store.threads(Which(("bob",))) == []

    async def test_what_is_too_long_is_stored_cut(self, store: Store) -> None:
        long = make_event("tool_finished", step=2, output=["x" * 1000] * 1000)
        thread = await store_thread(store, make_message(), long)
        assert "characters cut" in thread.event(2).data["output"]
        assert await store.load("t") == thread

    # -- processes and totals --

    async def test_a_process_is_listed_until_its_time_is_over(
        self, store: Store, passes: Pass
    ) -> None:
        one = Worker("host:1:a", {"test": "says:this"}, [["steps", "test", 3]])
        other = Worker("host:2:b", {"test": "says:that"})
        await store.announce(one, 60)
        await store.announce(other, 10)
        assert await store.workers() == [one, other]
        await passes(20)
        assert await store.workers() == [one]
        await store.announce(replace(one, counts=[["steps", "test", 4]]), 60)
        assert [worker.counts for worker in await store.workers()] == [[["steps", "test", 4]]]
        await store.announce(one, 0)
        assert await store.workers() == []

    async def test_threads_are_counted_by_agent_and_status(
        self, store: Store, passes: Pass
    ) -> None:
        await store_thread(store, make_message(), thread_id="held")
        first = (await store.threads())[0].updated
        await store.claim("me", 1000, "held")
        await passes(10)
        for name in ("a", "b"):
            await store_thread(store, make_message(agent="second"), thread_id=name)
        await store_thread(store, make_message(), make_pause("approval"), thread_id="asks")
        counts = await store.count_threads()
        found = {(one.agent, one.status, one.running): one for one in counts}
        assert {key: one.number for key, one in found.items()} == {
            ("", "running", True): 1,
            ("second", "running", False): 2,
            ("", "waiting:approval", False): 1,
        }
        assert found["", "running", True] == ThreadCount("", "running", True, 1, first)

    async def test_the_tokens_of_model_calls_are_summed_up(
        self, store: Store, passes: Pass
    ) -> None:
        price = {"input": 1.5, "output": 2, "currency": "USD"}
        charge = {"tokens": {"input": 10, "output": 2, "cached": 4}, "model": "m", "price": price}
        step = make_event("step", call={"intent": "look"}, **charge)
        thread = await store_thread(store, make_message("hi", "bob", agent="second"), step)
        wrong = make_event("invalid_step", error="x", tokens={"input": 7}, model="m")
        odd = make_event("compacted", text="", upto=1, tokens={"input": "many"})
        thread = await store.append(thread, wrong, odd, make_event("compacted", text="", upto=2))
        day = (await store.now()).date()
        total = await _sum_up(store)
        zero = {"input": 0, "cached": 0, "cache_write": 0, "output": 0}
        assert total == [
            (Usage(day, "second", "bob", "", None, 1, {}), zero),
            (Usage(day, "second", "bob", "m", None, 1, {}), zero | {"input": 7}),
            (
                Usage(day, "second", "bob", "m", price, 1, {}),
                zero | {"input": 10, "output": 2, "cached": 4},
            ),
        ]
        await store.append(Thread("copy"), *thread.events, make_event("forked", thread="t", at=5))
        assert await _sum_up(store) == total
        await passes(86_400 * 3)
        since = await store.now() - timedelta(days=2)
        assert await store.usage(since) == []
        await store.append(thread, step)
        assert [each.calls for each in await store.usage(since)] == [1]


async def _sum_up(store: Store) -> list[tuple[Usage, dict[str, int]]]:
    """Return the usage in order, the tokens beside it; what is not a number is 0."""
    kinds = ("input", "cached", "cache_write", "output")
    found = [
        (replace(each, tokens={}), {kind: _count(each.tokens.get(kind)) for kind in kinds})
        for each in await store.usage()
    ]
    return sorted(found, key=lambda pair: (pair[0].model, pair[0].price is not None))


def _count(number: object) -> int:
    return number if isinstance(number, int) else 0
