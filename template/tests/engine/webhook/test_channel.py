"""Notifying another system over real HTTP: signed, recognizable, and retried until accepted."""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agent.engine.log.errors import Unavailable
from agent.engine.log.events import CallJson, Event, make_event
from agent.engine.log.thread import Thread
from agent.engine.loop.advance import MAX_DELIVERIES
from agent.engine.people.poll import PollChannel
from agent.engine.people.routing import Routing
from agent.engine.stores.memory import MemoryStore
from agent.engine.webhook import channel as webhook
from agent.engine.webhook.channel import Receiver, WebhookChannel

from ..domain import (
    Says,
    World,
    advance,
    build_ports,
    list_types,
    make_message,
    make_pause,
    make_step,
    make_thread,
    store_thread,
)
from .receiver import KEY, SECRET, System, run_system

HOME = "webhook:crm:ticket-7"
HOSTILE = "\u202e\n  amount: 5 `` \u200b"
CHARGE: CallJson = {"intent": "charge", "amount": 500}
PEOPLE = """
[ana]
webhook = "crm"
slack = "U1"

[bob]
slack = "U2"
webhook = ["crm", "ops"]
"""


@pytest.fixture
def crm() -> Iterator[System]:
    with run_system() as receiver:
        yield receiver


@pytest.fixture
def channel(crm: System, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> WebhookChannel:
    """Return the channel of a file and its secrets."""
    file = tmp_path / "webhooks.toml"
    source = 'secret = "S"\nconversation = "{id}"\ntext = "{text}"\n'
    ops = f'scheme = "github"\nreply_url = "{crm.url}"\nreply_secret = "R"'
    file.write_text(f'[crm]\n{source}reply_url = "{crm.url}"\n[ops]\n{source}{ops}', "utf-8")
    (tmp_path / "people.toml").write_text(PEOPLE, "utf-8")
    for name, value in {"WEBHOOKS_FILE": file, "PEOPLE_FILE": tmp_path / "people.toml"}.items():
        monkeypatch.setenv(name, str(value))
    for name in ("S", "R"):
        monkeypatch.setenv(name, SECRET)
    channel = WebhookChannel.from_env()
    assert channel
    return channel


def make_finished(home: str = HOME) -> Thread:
    return make_thread(
        make_message(reply_to=home), make_step("done"), make_event("finished", message="bye")
    )


def make_waiting(*audience: str, home: str = HOME) -> Thread:
    first = make_message(actor="eve", reply_to=home)
    return make_thread(first, make_step(**CHARGE), make_pause("approval", *audience, call=CHARGE))


async def notify(channel: WebhookChannel, thread: Thread) -> None:
    assert (await channel.send(thread, thread.events[-1])).receipt == {}


async def test_a_result_is_posted_with_a_signature(channel: WebhookChannel, crm: System) -> None:
    await notify(channel, make_finished())
    about = {"thread": "t", "conversation": "ticket-7", "seq": 3}
    assert crm.read_bodies() == [{"type": "finished", **about, "text": "bye"}]
    headers, _ = crm.requests[0]
    assert headers["content-type"] == "application/json"


@pytest.mark.parametrize("again", [False, True])
async def test_a_wait_is_posted_with_all_that_an_answer_needs(
    again: bool, channel: WebhookChannel, crm: System
) -> None:
    call: CallJson = {"intent": "charge", "amount": 500, "memo": HOSTILE * 1_000}
    asked = make_pause(
        "approval", "ana", "cleo", call=call,
        standing={"memo": HOSTILE}, escalate=["head"], limit="steps", error=HOSTILE,
        idempotency_key="t.2-abc", expires_at="2026-11-30T12:00:00+00:00",
    )  # fmt: skip
    log = [make_message(actor="eve", reply_to=HOME), make_step(**call), asked]
    log += [make_event("reminded", "system", wait=3)] if again else []
    thread = make_thread(*log)
    await Routing({"webhook": channel}).notify(thread, thread.events[-1])
    (body,) = crm.read_bodies()
    assert body == asked.data | {
        "type": "reminded" if again else "paused",
        "thread": "t", "conversation": "ticket-7", "seq": 4 if again else 3, "wait": 3,
        "notify": ["ana"],
    }  # fmt: skip
    assert (body["call"], body["audience"]) == (call, ["ana", "cleo"])
    assert crm.requests[0][1].isascii()


@pytest.mark.parametrize(
    ("home", "audience", "reached"),
    [
        (HOME, ["ana", "bob"], {"webhook": ["ana", "bob"]}),
        (HOME, ["bob"], {"webhook": ["bob"]}),
        (HOME, ["anyone"], {}),
        (HOME, ["nobody"], {}),
        ("webhook:ops:7", ["hook:ops", "ana", "bob"], {"webhook": ["bob"]}),
        ("webhook:ops:7", ["ana"], {"webhook": ["ana"]}),
        ("poll:", ["ana", "bob", "nobody"], {"webhook": ["ana", "bob"]}),
    ],
)
async def test_those_whose_system_accepted_were_notified(
    channel: WebhookChannel,
    crm: System,
    home: str,
    audience: list[str],
    reached: dict[str, list[str]],
) -> None:
    first = make_message(actor="hook:ops", reply_to=home)
    thread = make_thread(first, make_step(**CHARGE), make_pause("approval", *audience, call=CHARGE))
    delivery = await Routing({"webhook": channel, "poll": PollChannel()}).notify(
        thread, thread.events[-1]
    )
    assert (delivery.reached, delivery.problem) == (reached, None)
    names = [name for _, body in crm.requests for name in json.loads(body)["notify"]]
    assert sorted({*names}) == sorted(reached.get("webhook", []))


async def test_nobody_was_notified_by_a_system_that_did_not_accept(
    channel: WebhookChannel, crm: System
) -> None:
    crm.answers = [(503, {})]
    thread = make_waiting("ana")
    delivery = await Routing({"webhook": channel}).notify(thread, thread.events[-1])
    assert (delivery.reached, str(delivery.problem)) == (
        {},
        "the reply_url of 'crm' in webhooks.toml answered 503",
    )


async def test_an_event_that_is_posted_again_has_the_same_id(
    channel: WebhookChannel, crm: System
) -> None:
    for thread in (
        make_waiting("ana"),
        make_waiting("ana"),
        make_finished(),
        make_thread(*make_finished().events, thread_id="u"),
    ):
        await notify(channel, thread)
    assert crm.ids == ["t_3", "t_3", "t_3", "u_3"]
    assert crm.requests[0][1] == crm.requests[1][1]


async def test_every_secret_signs_while_one_replaces_another(crm: System) -> None:
    other = KEY[::-1]
    channel = WebhookChannel({"crm": Receiver("crm", crm.url, [other, KEY])})
    await notify(channel, make_finished())
    assert crm.read_bodies(KEY) == crm.read_bodies(other)


@pytest.mark.parametrize(
    ("status", "headers", "after"),
    [
        (301, {"Location": "http://127.0.0.1:1/"}, 60),
        (307, {"Location": "/elsewhere"}, 60),
        (400, {}, 60),
        (401, {}, 60),
        (410, {}, 60),
        (429, {"Retry-After": "30"}, 30),
        (503, {"Retry-After": "0"}, 0),
        (429, {"Retry-After": "9" * 400}, 3600),
        (503, {"Retry-After": "-1"}, 60),
        (503, {"Retry-After": "Fri, 31 Dec 2027 23:59:59 GMT"}, 60),
        (500, {}, 60),
    ],
)
async def test_any_answer_but_2xx_is_retried(
    channel: WebhookChannel, crm: System, status: int, headers: dict[str, str], after: float
) -> None:
    crm.answers = [(status, headers)]
    with pytest.raises(
        Unavailable, match=f"the reply_url of 'crm' in webhooks.toml answered {status}"
    ) as away:
        await notify(channel, make_finished())
    assert away.value.retry_after_s == after
    assert len(crm.requests) == 1  # a redirect is not followed


async def test_a_receiver_that_does_not_answer_in_time_is_unavailable(
    channel: WebhookChannel, crm: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhook, "TIMEOUT_S", 0.2)
    crm.silent.clear()
    with pytest.raises(Unavailable, match="does not answer"):
        await notify(channel, make_finished())


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/hooks", "http://nowhere.invalid/", "https:x"])
async def test_an_unreachable_receiver_is_unavailable(url: str) -> None:
    with pytest.raises(Unavailable, match="does not answer") as away:
        await notify(WebhookChannel({"crm": Receiver("crm", url, [KEY])}), make_finished())
    assert away.value.retry_after_s == 60


async def test_a_source_that_lost_its_reply_url_is_named(channel: WebhookChannel) -> None:
    with pytest.raises(Unavailable, match="no reply_url for 'gone'"):
        await notify(channel, make_finished("webhook:gone:1"))


@pytest.mark.parametrize(
    ("home", "audience", "conversations"),
    [
        (HOME, ["anyone"], ["ticket-7"]),
        ("poll:", ["ana"], [""]),  # her first channel is a webhook
        ("email:<1@x>:7", ["ana"], [""]),
        ("poll:", ["bob"], []),  # his is Slack
        ("poll:", ["ana", "bob"], [""]),
        (HOME, ["ana", "bob"], ["ticket-7"]),
    ],
)
async def test_a_person_with_two_channels_is_notified_once(
    channel: WebhookChannel, crm: System, home: str, audience: list[str], conversations: list[str]
) -> None:
    thread = make_waiting(*audience, home=home)
    routing = Routing({"webhook": channel, "slack": PollChannel(), "poll": PollChannel()})
    await routing.notify(thread, thread.events[-1])
    assert [body["conversation"] for body in crm.read_bodies()] == conversations


async def test_people_share_a_receiver_and_one_may_have_two(
    channel: WebhookChannel, crm: System
) -> None:
    await notify(channel, make_waiting("ana", "bob", home="poll:"))
    assert crm.ids == ["t_3", "t_3"]  # crm and ops
    assert len(crm.read_bodies()) == 1


class Dies(BaseException):
    """Stands for a process that is killed."""


class DyingStore(MemoryStore):
    async def append(self, thread: Thread, *events: Event) -> Thread:
        raise Dies


async def test_a_message_that_was_not_accepted_is_posted_again_with_the_same_id(
    channel: WebhookChannel, crm: System, store: MemoryStore, world: World
) -> None:
    """At first it is unavailable; then it accepts, but the process dies before the log says so."""
    crm.answers = [(503, {"Retry-After": "7"})]
    llm, routing = Says({"intent": "done", "message": "bye"}), Routing({"webhook": channel})
    ports = build_ports(store, llm, world, notifier=routing)
    with pytest.raises(Unavailable) as away:
        await advance(ports, await store_thread(store, make_message(reply_to=HOME)))
    assert away.value.retry_after_s == 7
    dying = build_ports(DyingStore(), llm, world, notifier=routing)
    with pytest.raises(Dies):
        await advance(dying, await store.load("t"))
    thread = await advance(ports, await store.load("t"), attempts=1)
    assert list_types(thread)[-2:] == ["finished", "delivered"]
    assert "error" not in thread.events[-1].data
    assert crm.ids == ["t_3"] * 3
    assert [body["text"] for body in crm.read_bodies()] == ["bye"]


async def test_a_receiver_that_never_accepts_is_given_up_and_the_log_says_why(
    channel: WebhookChannel, crm: System, store: MemoryStore, world: World
) -> None:
    crm.answers = [(410, dict[str, str]())] * MAX_DELIVERIES
    says: Any = Says({"intent": "done", "message": "bye"})
    ports = build_ports(store, says, world, notifier=Routing({"webhook": channel}))
    thread = await store_thread(store, make_message(reply_to=HOME))
    for attempts in range(MAX_DELIVERIES - 1):
        with pytest.raises(Unavailable):
            await advance(ports, thread, attempts)
        thread = await store.load("t")
    thread = await advance(ports, thread, MAX_DELIVERIES - 1)
    assert thread.events[-1].data["error"] == "the reply_url of 'crm' in webhooks.toml answered 410"
    assert await asyncio.wait_for(advance(ports, thread), 5) == thread


async def test_a_notice_is_posted_to_whose_it_is(channel: WebhookChannel, crm: System) -> None:
    thread = make_thread(make_message(actor="eve", reply_to=HOME), make_step("done"))
    about = {"text": "a is not available", "audience": ["ana", "bob"]}
    notice = replace(make_event("notice", **about), seq=2)
    sent = await channel.send(thread, notice)
    assert sent.people == ("ana", "bob")
    bodies = crm.read_bodies()
    assert {body["type"] for body in bodies} == {"notice"}
    assert {body["text"] for body in bodies} == {"a is not available"}
    assert all("wait" not in body for body in bodies)
