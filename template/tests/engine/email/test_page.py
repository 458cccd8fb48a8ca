"""The page behind a link in a mail: who sees it, who may answer, and that opening it is safe."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from fastapi import FastAPI

from agent.engine import email
from agent.engine.email.channel import EmailChannel
from agent.engine.email.intake import Intake
from agent.engine.email.stamp import Link, Stamp
from agent.engine.http.server import create_app
from agent.engine.http.tokens import Tokens
from agent.engine.log.events import CallJson, Event, compute_digest, make_event
from agent.engine.log.thread import Thread
from agent.engine.loop.ports import Ports
from agent.engine.people.routing import Routing
from agent.engine.runners.app import App
from agent.engine.stores.memory import MemoryStore

from ..conftest import Clock
from ..domain import Asleep, list_types, make_message, make_pause, make_step, store_thread
from ..http.access import list_added
from ..http.conftest import TOKENS, Caller, bearer, caller
from .conftest import write_mail
from .mail_servers import Outbox
from .mails import read_part

CALL: CallJson = {"intent": "charge", "amount": 500}
OTHER: CallJson = {"intent": "charge", "amount": 501}


OF_PROVIDERS = {("POST", "/email/mailgun/mime"), ("POST", "/email/postmark")}


@pytest.fixture
def api(ports: Ports, runner: Asleep) -> FastAPI:
    tokens = ",".join(f"{name}:{token}" for name, token in TOKENS.items())
    return create_app(App(ports, runner, (email.serve,)), Tokens.parse(tokens))


@pytest.fixture
async def browser(api: FastAPI) -> AsyncIterator[Caller]:
    async with caller(api) as client:
        yield client


def make_link(wait: int = 3, call: CallJson = CALL, person: str = "bob") -> str:
    return (
        f"/email/wait/{Stamp.from_env().seal_link(Link('t', wait, compute_digest(call), person))}"
    )


async def store_approval(store: MemoryStore, *more: Event, audience: str = "bob") -> Thread:
    """Store a thread of ana's that asks for an approval to charge."""
    first = make_message(reply_to="email:ana@example.org?subject=Charge")
    wait = make_pause("approval", audience, call=CALL)
    return await store_thread(store, first, make_step(**CALL), wait, *more)


async def sign_in(browser: Caller, name: str) -> None:
    answer = await browser.post("/login", data={"token": TOKENS[name]})
    assert answer.status_code == 303


async def send(browser: Caller, path: str, **fields: str) -> tuple[int, str]:
    """Submit the form of a page as a browser does."""
    shown = (await browser.get(path)).text
    csrf = shown.partition('name="csrf" value="')[2].partition('"')[0]
    answer = await browser.post(path, data={"csrf": csrf, **fields})
    return answer.status_code, answer.text


async def test_the_link_in_a_mail_leads_to_a_page_that_approves(
    browser: Caller,
    store: MemoryStore,
    outbox: Outbox,
    runner: Asleep,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PUBLIC_URL", "http://agent")
    channel = EmailChannel.from_env()
    assert channel
    thread = await store_approval(store)
    await channel.send(thread, thread.events[-1])
    (mail,) = outbox.mails
    assert outbox.receivers == ["bob@example.org"]
    text = mail.get_body(("plain",)).get_content()  # type: ignore[union-attr]
    path = next(word for word in text.split() if "/email/wait/" in word)
    await sign_in(browser, "bob")
    shown = await browser.get(path)
    assert shown.status_code == 200
    assert all(word in shown.text for word in ("approval?", "amount", "500", 'value="approve"'))
    assert (await send(browser, path, do="approve"))[0] == 303
    answer = (await store.load("t")).events[-1]
    assert (answer.type, answer.actor, answer.data["verdict"]) == ("resumed", "bob", "approve")
    assert runner.woken == ["t"]


async def test_a_scanner_that_opens_a_link_sees_and_changes_nothing(
    browser: Caller, store: MemoryStore
) -> None:
    """Scenario 13."""
    before = await store_approval(store)
    for method in ("GET", "HEAD", "GET"):
        answer = await browser.request(method, make_link())
        assert answer.status_code in (303, 405)
        assert "500" not in answer.text
    where = urlsplit((await browser.get(make_link())).headers["location"])
    assert (where.path, parse_qs(where.query)["next"]) == ("/login", [make_link()])
    answer = await browser.post(make_link(), data={"do": "approve"})
    assert answer.status_code == 303
    await sign_in(browser, "bob")
    assert (await browser.get(make_link())).status_code == 200
    assert (await store.load("t")).events == before.events


async def test_a_forwarded_link_is_refused_even_to_somebody_who_may_answer(
    browser: Caller, store: MemoryStore
) -> None:
    """Scenario 13."""
    await store_approval(store, audience="anyone")
    await sign_in(browser, "ana")
    shown = await browser.get(make_link())
    assert shown.status_code == 403
    assert "sent to bob" in shown.text
    assert ">500<" not in shown.text
    assert (await send(browser, make_link(), do="approve"))[0] == 403
    assert (await store.load("t")).state.wait


async def test_a_second_answer_is_told_who_was_first(browser: Caller, store: MemoryStore) -> None:
    """Scenarios 9 and 13."""
    await store_approval(store)
    await sign_in(browser, "bob")
    statuses = await asyncio.gather(*(send(browser, make_link(), do="approve") for _ in range(3)))
    assert [status for status, _ in statuses] == [303] * 3  # a button that was pressed three times
    status, page = await send(browser, make_link(), do="reject", text="no")
    assert (status, "already closed: approve by bob" in page) == (409, True)
    shown = await browser.get(make_link())
    assert (shown.status_code, "</strong> You approved charge." in shown.text) == (200, True)
    assert list_types(await store.load("t")).count("resumed") == 1


@pytest.mark.parametrize(
    ("changed", "status", "says"),
    [
        ({"digest": compute_digest(OTHER)}, 409, "not the call you were shown"),
        ({"wait": 1}, 404, "no question 1."),
        ({"wait": 99}, 404, "no question 99."),
        ({"person": "ana"}, 403, "sent to ana"),
        ({"thread": "u"}, 404, "u"),
        (None, 404, "incomplete"),
    ],
)
async def test_a_link_is_valid_for_one_call_and_one_person(
    changed: dict[str, Any] | None, status: int, says: str, browser: Caller, store: MemoryStore
) -> None:
    """Scenario 10; whatever else the form says."""
    await store_approval(store)
    await sign_in(browser, "bob")
    made: dict[str, Any] = {
        "thread": "t",
        "wait": 3,
        "digest": compute_digest(CALL),
        "person": "bob",
    }
    path = f"/email/wait/{Stamp.from_env().seal_link(Link(**made | (changed or {})))}"
    path = path if changed else f"{path}x"
    typed = {"wait": "3", "digest": compute_digest(CALL)}
    refused, page = await send(browser, path, do="approve", **typed)
    assert (refused, says in page) == (status, True)
    assert (await store.load("t")).state.wait


async def test_an_answer_to_a_closed_wait_is_refused_with_the_reason(
    browser: Caller, store: MemoryStore, clock: Clock, intake: Intake
) -> None:
    """Scenario 10: expired, superseded, answered by the same person elsewhere."""
    await sign_in(browser, "bob")
    soon = (await store.now() + timedelta(hours=1)).isoformat()
    first = [
        make_message(),
        make_step(**CALL),
        make_pause("approval", "bob", call=CALL, expires_at=soon),
    ]
    for thread_id in ("t", "u", "v"):
        await store_thread(store, *first, thread_id=thread_id)
    stamp = Stamp.from_env()
    paths = {
        name: f"/email/wait/{stamp.seal_link(Link(name, 3, compute_digest(CALL), 'bob'))}"
        for name in "tuv"
    }
    body = {"verdict": "reject", "text": "not now"}
    await browser.post("/threads/u/waits/3", json=body, headers=bearer("bob"))
    await intake.take_mail(write_mail("wait, no", in_reply_to=stamp.make_message_id("v", 3)))
    clock.tick(3601)
    for name, reason in [
        ("t", "already closed: expired by system"),
        ("u", "already closed: reject by bob"),
        ("v", "not waiting for an answer"),
    ]:
        status, page = await send(browser, paths[name], do="approve")
        assert (status, reason in page) == (409, True)
        assert not any(
            past.data.get("verdict") == "approve" for past in (await store.load(name)).events
        )


async def test_of_answers_over_http_and_from_a_mail_the_first_counts(
    browser: Caller, api: FastAPI, store: MemoryStore
) -> None:
    thread = await store_approval(store, audience="anyone")
    assert thread.state.wait
    await sign_in(browser, "bob")
    approve = {"verdict": "approve", "digest": compute_digest(CALL)}
    async with caller(api, "ana") as ana:
        by_http, by_mail = await asyncio.gather(
            ana.post("/threads/t/waits/3", json=approve), send(browser, make_link(), do="approve")
        )
    assert sorted([by_http.status_code, by_mail[0]]) in ([202, 409], [303, 409])
    assert list_types(await store.load("t")).count("resumed") == 1


async def test_a_form_from_another_site_changes_nothing(
    browser: Caller, store: MemoryStore
) -> None:
    await store_approval(store)
    await sign_in(browser, "bob")
    assert (await browser.post(make_link(), data={"do": "approve"})).status_code == 403
    foreign = {"Sec-Fetch-Site": "cross-site"}
    answer = await browser.post(make_link(), data={"do": "approve"}, headers=foreign)
    assert answer.status_code == 403
    assert (await store.load("t")).state.wait


@pytest.mark.parametrize(
    ("wait", "fields", "said_"),
    [
        (
            make_pause("question", "bob", options={"format": "yes_no"}),
            {"do": "answer", "choice": "0"},
            "yes",
        ),
        (make_pause("question", "bob"), {"do": "answer", "text": "blue"}, "blue"),
        (
            make_pause("approval", "bob", call=CALL),
            {"do": "reject", "text": "too much"},
            "too much",
        ),
        (make_pause("limit", "bob"), {"do": "stop"}, ""),
    ],
)
async def test_the_page_answers_every_kind_of_wait(
    wait: Event, fields: dict[str, str], said_: str, browser: Caller, store: MemoryStore
) -> None:
    await store_thread(store, make_message(), make_step(**CALL), wait)
    await sign_in(browser, "bob")
    path = make_link() if "call" in wait.data else _make_plain_link()
    assert f'value="{fields["do"]}"' in (await browser.get(path)).text
    assert (await send(browser, path, **fields))[0] == 303
    answer = (await store.load("t")).events[-1]
    assert (answer.data["verdict"], answer.data["text"]) == (fields["do"], said_)


async def test_an_edit_runs_as_its_preview_showed_it(browser: Caller, store: MemoryStore) -> None:
    await store_approval(store)
    await sign_in(browser, "bob")
    status, page = await send(browser, make_link(), do="preview", **{"argument.amount": "much"})
    assert (status, "Not done." in page) == (409, True)
    status, page = await send(browser, make_link(), do="preview", **{"argument.amount": "50"})
    assert (status, "as it would run" in page) == (200, True)
    edited = {"intent": "charge", "amount": 50}
    approval = {"call": json.dumps(edited), "edited": compute_digest(edited)}
    other = approval | {"edited": compute_digest(OTHER)}
    status, page = await send(browser, make_link(), do="edit", **other)
    assert (status, "Not done." in page) == (409, True)
    assert (await send(browser, make_link(), do="edit", **approval))[0] == 303
    assert (await store.load("t")).events[-1].data["call"] == {"intent": "charge", "amount": 50}


async def test_an_approval_is_of_the_call_and_the_scope_in_the_mail(
    browser: Caller, store: MemoryStore
) -> None:
    scope: CallJson = {"amount": 500}
    digest = compute_digest(CALL, scope)
    wait = make_event("paused", **make_pause("approval", "bob", call=CALL).data | {
        "digest": digest, "standing": scope,
    })  # fmt: skip
    await store_thread(store, make_message(), make_step(**CALL), wait)
    await sign_in(browser, "bob")
    status, page = await send(browser, make_link(), do="approve", digest=digest)
    assert (status, "Not done." in page) == (409, True)
    path = f"/email/wait/{Stamp.from_env().seal_link(Link('t', 3, digest, 'bob'))}"
    assert (await send(browser, path, do="approve", digest=compute_digest(CALL)))[0] == 303
    assert (await store.load("t")).events[-1].data["verdict"] == "approve"


async def test_the_link_in_a_reminder_leads_to_the_wait(
    browser: Caller, store: MemoryStore, outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PUBLIC_URL", "http://agent")
    channel = EmailChannel.from_env()
    assert channel
    again = make_event("reminded", "system", "remind:3", wait=3)
    thread = await store_approval(store, again)
    await Routing({"email": channel}).notify(thread, thread.events[-1])
    (mail,) = outbox.mails
    path = next(word for word in read_part(mail, "plain").split() if "/email/wait/" in word)
    await sign_in(browser, "bob")
    assert 'value="approve"' in (await browser.get(path)).text
    assert (await send(browser, path, do="approve"))[0] == 303


async def test_hostile_data_is_shown_but_not_interpreted(
    browser: Caller, store: MemoryStore
) -> None:
    """Scenario 17."""
    hostile = "</h1><script>alert(1)</script>\x1b[31m\u202e"
    wait = make_event("paused", kind="question", text=hostile, audience=["bob"])
    await store_thread(store, make_message(hostile), make_step(**CALL), wait)
    await sign_in(browser, "bob")
    shown = await browser.get(_make_plain_link())
    assert "<script>alert" not in shown.text
    assert not {"\x1b", "\u202e"}.intersection(shown.text)
    assert "default-src 'none'" in shown.headers["content-security-policy"]


def _make_plain_link() -> str:
    return f"/email/wait/{Stamp.from_env().seal_link(Link('t', 3, '', 'bob'))}"


async def test_every_route_is_known_here(api: FastAPI) -> None:
    """A new one needs a test of who may use it: those of providers are in `test_providers.py`."""
    page = "/email/wait/{token}"
    assert list_added(api) - OF_PROVIDERS == {("GET", page), ("POST", page)}
