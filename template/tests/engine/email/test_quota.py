"""How many mails one address gets, and what becomes of the others."""

import asyncio
import logging
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from agent.engine.email.channel import EmailChannel
from agent.engine.email.intake import Intake
from agent.engine.email.quota import HOUR_S, RETRY_S, Postponed, read_most
from agent.engine.index import Summary
from agent.engine.log.errors import Misconfigured
from agent.engine.log.events import Event, make_event
from agent.engine.loop.advance import MAX_DELIVERIES, Advanced, advance
from agent.engine.loop.ports import Ports
from agent.engine.loop.store import Store
from agent.engine.people.identity import PeopleFile
from agent.engine.people.poll import PollChannel
from agent.engine.people.routing import Routing
from agent.engine.runners.local import LocalRunner
from agent.engine.stores.memory import MemoryStore
from agent.engine.stores.sqlite import SqliteStore

from ..conftest import Clock
from ..domain import (
    Says,
    World,
    build_ports,
    make_message,
    make_pause,
    make_step,
    rebind,
    store_thread,
)
from .conftest import write_mail
from .mail_servers import Outbox

HOME = "email:robot@partner.example?subject=Hi"
ROBOT = "robot@partner.example"
FINISHED = (make_step("done"), make_event("finished", message="bye"))


@pytest.fixture(autouse=True)
def most(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMAIL_MAX_PER_HOUR", "3")


def connect(store: Store, world: World, *responsible: str) -> Ports:
    """Return the ports of one process; bob is responsible for the agent if nobody is named."""
    channel = EmailChannel.from_env()
    assert channel
    routing = Routing({"email": channel, "poll": PollChannel()})
    says = Says(*[{"intent": "done", "message": "bye"}] * 9)
    ports = build_ports(store, says, world, notifier=routing, directory=PeopleFile())
    ports = rebind(ports, responsible=responsible or ("bob",))
    channel.connect(ports)
    return ports


@pytest.fixture
def mailing(store: MemoryStore, world: World, outbox: Outbox) -> Ports:
    return connect(store, world)


async def finish(ports: Ports, number: int, *log: Event) -> Advanced:
    """Finish a thread that a mail of the robot started, and send its mail."""
    first = make_message(actor=f"email:{ROBOT}", reply_to=HOME)
    events = log or (first, *FINISHED)
    return await advance(ports, await store_thread(ports.store, *events, thread_id=f"t-{number}"))


def list_robot_s(outbox: Outbox) -> list[str]:
    """Return the subjects of the mails that the robot got."""
    return [mail["Subject"] for mail in outbox.mails if mail["To"] == ROBOT]


def write_away(sender: str, number: int) -> bytes:
    """Write a mail that pretends to answer another one, so that it starts a thread."""
    return write_mail("Away.", sender, number, in_reply_to=f"<{number}@invented.example>")


async def take_away(intake: Intake, senders: list[str]) -> list[bytes]:
    """Take such a mail of each sender, and return those that are postponed."""
    postponed = list[bytes]()
    for number, sender in enumerate(senders):
        try:
            assert await intake.take_mail(write_away(sender, number)) == ""
        except Postponed:
            postponed.append(write_away(sender, number))
    return postponed


@pytest.mark.parametrize(
    "senders",
    [[ROBOT] * 8, [f"robot+{number}@partner.example" for number in range(8)]],
    ids=["one sender", "many senders"],
)
async def test_automatic_mails_without_marks_start_few_threads_and_none_is_lost(
    senders: list[str], intake: Intake, mailing: Ports, outbox: Outbox, clock: Clock
) -> None:
    """`EMAIL_ALLOWED` has one entry for all of these senders."""
    intake = replace(intake, app=replace(intake.app, ports=mailing), most=3)
    postponed = await take_away(intake, senders)
    assert (len(await mailing.store.threads()), len(postponed)) == (3, 5)
    notices = [mail for mail in outbox.mails if mail["To"] == "bob@example.org"]
    assert len(notices) == 1
    assert "from @partner.example started 3 threads within an hour" in notices[0]["Subject"]
    clock.tick(HOUR_S)
    for raw in postponed[:3]:
        assert await intake.take_mail(raw) == ""
    with pytest.raises(Postponed, match="EMAIL_MAX_PER_HOUR") as raised:
        await intake.take_mail(postponed[3])
    assert raised.value.retry_after_s == RETRY_S


async def test_a_person_of_the_file_is_not_held_up_by_the_mails_of_others(
    intake: Intake, mailing: Ports, outbox: Outbox
) -> None:
    intake = replace(intake, app=replace(intake.app, ports=mailing), most=2)
    senders = [ROBOT] * 3 + ["ana@example.org"] * 3 + ["bob@example.org"]
    postponed = await take_away(intake, senders)
    assert postponed == [write_away(ROBOT, 2), write_away("ana@example.org", 5)]


async def test_a_mail_that_continues_a_thread_or_comes_twice_takes_no_place(
    intake: Intake, mailing: Ports, outbox: Outbox
) -> None:
    intake = replace(intake, app=replace(intake.app, ports=mailing), most=2)
    for number in (1, 1, 2):
        await intake.take_mail(write_mail(number=number))
    for number in (3, 4, 5):
        await intake.take_mail(write_mail(number=number, references="<m1@x.example>"))
    assert len(await mailing.store.threads()) == 2


async def test_robots_without_marks_get_few_answers(mailing: Ports, outbox: Outbox) -> None:
    done = [await finish(mailing, number) for number in range(8)]
    assert len(list_robot_s(outbox)) == 3
    assert sum(one.problem is not None for one in done) == 5


async def test_a_mail_above_the_limit_waits_and_says_why(
    mailing: Ports, outbox: Outbox, clock: Clock
) -> None:
    done = [await finish(mailing, number) for number in range(4)]
    problem: Any = done[-1].problem
    assert f"this mail waits: {ROBOT} got 3 mails within an hour (EMAIL_MAX_PER_HOUR)" in str(
        problem
    )
    assert problem.retry_after_s == RETRY_S
    assert done[-1].thread.state.outbox  # it is still to be delivered
    clock.tick(HOUR_S - 1)
    assert (await advance(mailing, done[-1].thread, attempts=1)).problem
    clock.tick(1)
    assert (await advance(mailing, done[-1].thread, attempts=2)).problem is None
    assert len(list_robot_s(outbox)) == 4


async def test_lists_show_why_a_mail_waits_and_when_it_is_tried_again(mailing: Ports) -> None:
    for number in range(3):
        await finish(mailing, number)
    first = make_message(actor=f"email:{ROBOT}", reply_to=HOME)
    await store_thread(mailing.store, first, thread_id="t-9")
    work = asyncio.create_task(LocalRunner(mailing, poll_s=0.01).work())
    rows = list[Summary]()
    while not any(row.problem for row in rows):
        await asyncio.sleep(0.01)
        rows = [row for row in await mailing.store.threads() if row.id == "t-9"]
    work.cancel()
    await asyncio.gather(work, return_exceptions=True)
    assert "this mail waits" in rows[0].problem
    assert rows[0].next_try == await mailing.store.now() + timedelta(seconds=RETRY_S)


async def test_a_mail_that_waits_is_tried_until_an_hour_has_passed_and_then_recorded_as_not_sent(
    mailing: Ports, outbox: Outbox, clock: Clock
) -> None:
    assert (MAX_DELIVERIES - 1) * RETRY_S >= HOUR_S
    done = [await finish(mailing, number) for number in range(4)]
    last = await advance(mailing, done[-1].thread, attempts=MAX_DELIVERIES - 1)
    assert last.problem is None
    assert "this mail waits" in last.thread.events[-1].data["error"]


async def test_the_limit_holds_across_restarts_and_for_all_processes(
    tmp_path: Path, world: World, outbox: Outbox
) -> None:
    for number in range(6):
        ports = connect(SqliteStore(tmp_path / "threads.db"), world)
        assert ((await finish(ports, number)).problem is None) == (number < 3)
    assert len(list_robot_s(outbox)) == 3


async def test_each_address_has_a_limit_of_its_own(mailing: Ports, outbox: Outbox) -> None:
    for number in range(4):
        await finish(mailing, number)
    mine = make_message(reply_to="email:ana@example.org?subject=Hi")
    assert (await finish(mailing, 9, mine, *FINISHED)).problem is None
    assert outbox.receivers.count("ana@example.org") == 1


async def test_a_mail_that_is_sent_again_is_not_counted_twice(
    mailing: Ports, outbox: Outbox
) -> None:
    outbox.refuses = {ROBOT: "451 later"}
    first = await finish(mailing, 0)
    for _ in range(3):
        assert "451" in str((await advance(mailing, first.thread)).problem)
    outbox.refuses = {}
    for number in range(1, 3):
        assert (await finish(mailing, number)).problem is None
    assert (await advance(mailing, first.thread)).problem is None
    assert len(list_robot_s(outbox)) == 3


async def test_people_responsible_are_notified_once_an_hour(
    mailing: Ports, outbox: Outbox, clock: Clock
) -> None:
    done = [await finish(mailing, number) for number in range(6)]
    notices = [mail for mail in outbox.mails if mail["To"] == "bob@example.org"]
    assert len(notices) == 1
    assert notices[0]["Subject"].startswith(f"{ROBOT} got 3 mails from this agent within an hour")
    clock.tick(HOUR_S)
    for number in range(6, 12):
        done.append(await finish(mailing, number))
    assert outbox.receivers.count("bob@example.org") == 2
    assert len(list_robot_s(outbox)) == 6


@pytest.mark.parametrize("responsible", ["anyone", "cleo", "nobody"])
async def test_nobody_else_gets_the_notice(
    responsible: str,
    store: MemoryStore,
    world: World,
    outbox: Outbox,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is in the log: nobody is responsible, or they cannot be reached."""
    monkeypatch.setenv("API_TOKENS", "cleo:0123456789abcdef")
    caplog.set_level(logging.WARNING)
    ports = connect(store, world, responsible)
    for number in range(5):
        await finish(ports, number)
    assert {*outbox.receivers} == {ROBOT}
    assert len(outbox.mails) == 3
    assert caplog.text.count("got 3 mails from this agent within an hour") == 1
    assert "responsible were not notified of this" in caplog.text


async def test_a_mail_to_several_people_goes_to_those_below_their_limit(
    mailing: Ports, outbox: Outbox, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(3):
        await finish(mailing, number)
    log = (
        make_message(actor="cleo", reply_to="poll:"),
        make_pause("question", "ana", f"email:{ROBOT}"),
    )
    done = await finish(mailing, 9, *log)
    assert done.thread.events[-1].data["reached"] == {"email": ["ana"]}
    assert "no mail about t-9, event 2" in caplog.text


@pytest.mark.parametrize("value", ["0", "-1", "1.5", "many", "1001", "9" * 5000])
def test_a_wrong_limit_is_named(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMAIL_MAX_PER_HOUR", value)
    with pytest.raises(Misconfigured, match="EMAIL_MAX_PER_HOUR"):
        EmailChannel.from_env()


def test_the_limit_has_a_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EMAIL_MAX_PER_HOUR")
    assert read_most() == 30
