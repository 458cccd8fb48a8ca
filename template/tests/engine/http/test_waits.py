"""The page of one wait: who may answer there, what it says afterwards, and where `/` leads."""

from collections.abc import AsyncIterator
from datetime import timedelta
from html import unescape
from typing import Any
from urllib.parse import urlsplit

import pytest
from fastapi import FastAPI

from agent.engine.http import build_wait_path
from agent.engine.log.events import CallJson, Event, compute_digest, make_event
from agent.engine.loop.ports import Ports
from agent.engine.runners.app import Served
from agent.engine.stores.memory import MemoryStore

from ..conftest import Clock
from ..domain import (
    Asleep,
    list_types,
    make_answer,
    make_message,
    make_pause,
    make_result,
    make_start,
    make_step,
    store_thread,
)
from .conftest import TOKENS, Caller, api_of, caller

CALL: CallJson = {"intent": "charge", "amount": 500}
APPROVE = {"do": "approve", "digest": compute_digest(CALL)}
PAGE = "/waits/t/3"


@pytest.fixture
async def browser(api: FastAPI) -> AsyncIterator[Caller]:
    async with caller(api) as client:
        await sign_in(client, "ana")
        yield client


async def sign_in(browser: Caller, name: str) -> None:
    answer = await browser.post("/login", data={"token": TOKENS[name]})
    assert answer.status_code == 303


async def asks(store: MemoryStore, wait: Event, *more: Event) -> None:
    await store_thread(store, make_message("Charge them"), make_step(**CALL), wait, *more)


async def send(browser: Caller, path: str = PAGE, **fields: str) -> tuple[int, str]:
    """Send the form of a page as a browser does, and return where it leads or what it says."""
    shown = (await browser.get(path)).text
    csrf = shown.partition('name="csrf" value="')[2].partition('"')[0]
    answer = await browser.post(path, data={"csrf": csrf, **fields})
    return answer.status_code, answer.headers.get("location") or unescape(answer.text)


APPROVAL = make_pause("approval", call=CALL)


@pytest.mark.parametrize(
    ("wait", "fields", "given", "says"),
    [
        (APPROVAL, {"do": "approve"}, ("approve", "", None), "You approved charge."),
        (APPROVAL, {"do": "reject", "text": "no"}, ("reject", "no", None), "You rejected charge."),
        (
            make_pause("question"),
            {"do": "answer", "text": "blue"},
            ("answer", "blue", None),
            "blue",
        ),
        (make_pause("limit"), {"do": "stop"}, ("stop", "", None), "You decided to stop."),
        (
            make_pause("in_doubt", call=CALL),
            {"do": "happened"},
            ("happened", "", None),
            "You confirmed that charge went through.",
        ),
        (make_pause("job"), {"do": "done", "text": "built"}, ("done", "built", None), "built"),
    ],
)
async def test_a_wait_is_answered_on_its_page_which_then_says_what_was_recorded(
    browser: Caller,
    store: MemoryStore,
    runner: Asleep,
    wait: Event,
    fields: dict[str, str],
    given: tuple[Any, ...],
    says: str,
) -> None:
    await asks(store, wait)
    assert f'value="{fields["do"]}"' in (await browser.get(PAGE)).text
    digest = wait.data.get("digest", "")
    assert await send(browser, digest=digest, **fields) == (303, PAGE)
    answer = (await store.load("t")).events[-1]
    assert (answer.type, answer.actor) == ("resumed", "ana")
    assert tuple(answer.data.get(name) for name in ("verdict", "text", "call")) == given
    assert runner.woken == ["t"]
    shown = await browser.get(PAGE)
    assert (shown.status_code, says in unescape(shown.text)) == (200, True)
    assert "<strong>Closed.</strong>" in shown.text
    assert 'name="do"' not in shown.text


async def test_where_threads_have_pages_an_answer_leads_there(
    ports: Ports, store: MemoryStore, runner: Asleep
) -> None:
    await asks(store, APPROVAL)
    api = api_of(ports, runner, lambda _: Served(thread_page=lambda name: f"/pages/{name}"))
    async with caller(api) as browser:
        await sign_in(browser, "ana")
        assert 'href="/pages/t"' in (await browser.get(PAGE)).text
        assert await send(browser, **APPROVE) == (303, "/pages/t")


async def test_nobody_sees_a_wait_without_signing_in(api: FastAPI, store: MemoryStore) -> None:
    await asks(store, APPROVAL)
    async with caller(api) as stranger:
        for path in (PAGE, "/waits/none/3"):
            for answer in (await stranger.get(path), await stranger.post(path, data=APPROVE)):
                assert (answer.status_code, answer.text) == (303, "")
                assert urlsplit(answer.headers["location"]).path == "/login"
    assert (await store.load("t")).state.wait


async def test_a_form_without_the_word_of_the_session_answers_nothing(
    browser: Caller, store: MemoryStore
) -> None:
    await asks(store, APPROVAL)
    assert (await browser.post(PAGE, data=APPROVE)).status_code == 403
    assert (await store.load("t")).state.wait


async def test_whoever_is_not_asked_sees_no_form_and_cannot_answer(
    browser: Caller, store: MemoryStore
) -> None:
    await asks(store, make_pause("approval", "bob", call=CALL))
    shown = await browser.get(PAGE)
    assert "Only bob can answer this." in shown.text
    assert 'name="do"' not in shown.text
    status, page = await send(browser, **APPROVE)
    assert (status, "ana is not asked" in page) == (409, True)
    assert (await store.load("t")).state.wait


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({**APPROVE, "digest": "of another call"}, "not the call you were shown"),
        ({**APPROVE, "do": "reject"}, "write something"),
        (
            {**APPROVE, "do": "preview", "argument.amount": "many", "text": "less"},
            "this is not a number",
        ),
        ({**APPROVE, "wait": "2", "do": "answer", "text": "x"}, "does not answer this approval"),
    ],
)
async def test_what_is_refused_comes_back_with_the_reason_and_what_was_typed(
    browser: Caller, store: MemoryStore, fields: dict[str, str], reason: str
) -> None:
    await asks(store, APPROVAL)
    status, page = await send(browser, **fields)
    assert (status, reason in page) == (409, True)
    assert all(fields[name] in page for name in ("text", "argument.amount") if name in fields)
    assert list_types(await store.load("t"))[-1] == "paused"


async def test_who_comes_second_reads_who_was_first_and_loses_no_word(
    browser: Caller, store: MemoryStore
) -> None:
    await asks(store, make_pause("approval", "anyone", call=CALL))
    csrf = (await browser.get(PAGE)).text.partition('name="csrf" value="')[2].partition('"')[0]
    thread = await store.load("t")
    await store.append(thread, make_answer(3, "approve", "bob"))
    late = {"csrf": csrf, **APPROVE, "do": "reject", "text": "too much"}
    answer = await browser.post(PAGE, data=late)
    assert answer.status_code == 409
    for words in ("already closed: approve by bob", "bob approved", "You wrote:", "too much"):
        assert words in answer.text
    assert list_types(await store.load("t")).count("resumed") == 1


async def test_a_button_that_is_pressed_twice_answers_once(
    browser: Caller, store: MemoryStore
) -> None:
    await asks(store, APPROVAL)
    csrf = (await browser.get(PAGE)).text.partition('name="csrf" value="')[2].partition('"')[0]
    answers = [await browser.post(PAGE, data={"csrf": csrf, **APPROVE}) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [303, 303]
    assert list_types(await store.load("t")).count("resumed") == 1


@pytest.mark.parametrize(
    ("wait", "closing", "says"),
    [
        (APPROVAL, make_message("wait", "bob"), "bob wrote a message instead."),
        (make_pause("question"), make_message("blue", "ana"), "You answered."),
        (APPROVAL, make_event("cancelled", "bob", reason="enough"), "bob cancelled the thread."),
        (APPROVAL, make_answer(3, "expired", "system"), "nobody answered in time."),
        (make_pause("in_doubt", call=CALL), make_result(2), "charge returned."),
    ],
)
async def test_the_page_says_what_else_closed_a_wait(
    browser: Caller, store: MemoryStore, wait: Event, closing: Event, says: str
) -> None:
    await asks(store, wait, closing)
    shown = await browser.get(PAGE)
    assert (shown.status_code, says in shown.text) == (200, True)


async def test_after_its_time_a_wait_takes_no_answer(
    browser: Caller, store: MemoryStore, clock: Clock
) -> None:
    soon = (await store.now() + timedelta(hours=1)).isoformat()
    await asks(store, make_pause("approval", call=CALL, expires_at=soon))
    clock.tick(3601)
    status, page = await send(browser, **APPROVE)
    assert (status, "already closed: expired by system" in page) == (409, True)


@pytest.mark.parametrize("path", ["/waits/t/1", "/waits/t/99", "/waits/t/0", "/waits/none/3"])
async def test_what_was_never_asked_has_no_page(
    browser: Caller, store: MemoryStore, path: str
) -> None:
    await asks(store, APPROVAL)
    assert (await browser.get(path)).status_code == 404
    assert (await send(browser, path, **APPROVE))[0] == 404
    assert (await store.load("t")).state.wait


async def test_a_wait_of_a_thread_of_any_name_has_an_address(
    browser: Caller, store: MemoryStore
) -> None:
    await store_thread(store, make_message("odd"), make_pause("question"), thread_id="a?b#c %2e é")
    path = build_wait_path("a?b#c %2e é", 2)
    assert await send(browser, path, do="answer", text="me") == (303, path)


async def test_hostile_data_is_shown_and_not_obeyed(browser: Caller, store: MemoryStore) -> None:
    hostile = "</h1><script>alert(1)</script>\x1b[31m\u202e"
    call: CallJson = {"intent": hostile, hostile: hostile}
    wait = make_event(
        "paused", kind="approval", text=hostile, audience=["ana"], call=call, digest="x"
    )
    await store_thread(store, make_message(hostile), make_start(1), wait)
    pages = [(await browser.get(PAGE)).text]
    await store.append(await store.load("t"), make_message(hostile, hostile))
    pages.append((await browser.get(PAGE)).text)
    for page in pages:
        assert "<script>alert" not in page
        assert not {"\x1b", "\u202e"}.intersection(page)


async def test_without_an_inbox_signing_in_leads_to_a_page_that_says_what_to_do(
    browser: Caller,
) -> None:
    shown = await browser.get("/")
    assert shown.status_code == 200
    for words in ("You are signed in as ana", "This agent has no inbox.", 'href="/docs"'):
        assert words in shown.text
    assert (await browser.get("/docs")).status_code == 200


async def test_without_an_inbox_no_page_leads_to_one(browser: Caller, store: MemoryStore) -> None:
    await asks(store, APPROVAL)
    for path in ("/", "/login", PAGE, "/waits/none/3"):
        page = (await browser.get(path)).text
        assert "Inbox" not in page
        assert "the inbox" not in page
        assert "/inbox" not in page
