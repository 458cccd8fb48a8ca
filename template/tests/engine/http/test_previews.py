"""An edit in two steps: its preview, and the approval of exactly what that showed."""

from collections.abc import AsyncIterator
from datetime import datetime, time, timedelta
from decimal import Decimal
from html import unescape
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from fastapi import FastAPI
from pydantic import Field, HttpUrl, StringConstraints

from agent.engine.llms.output import JsonSteps
from agent.engine.log.events import CallJson, compute_digest
from agent.engine.loop.actions import Action, Run
from agent.engine.loop.ports import Ports
from agent.engine.loop.steps import Step
from agent.engine.stores.memory import MemoryStore

from ..domain import (
    Asleep,
    list_types,
    make_answer,
    make_message,
    make_pause,
    make_step,
    rebind,
    store_thread,
)
from .conftest import TOKENS, Caller, api_of, caller
from .reading import Calls


class Pay(Step):
    """A step whose values can be written in several ways."""

    intent: Literal["pay"]
    site: HttpUrl
    amount: Decimal
    key: UUID
    due: datetime
    hour: time
    pause: timedelta
    tags: set[str]
    note: Annotated[str, StringConstraints(strip_whitespace=True)]
    reason: str | None = None
    limit: int | None = None
    sender: str = Field(alias="from")


class Other(Step):
    intent: Literal["other"]


STEPS = JsonSteps(Pay | Other)
CALL: CallJson = {
    "intent": "pay",
    "site": "https://a.example/",
    "amount": "349.00",
    "key": "7d444840-9dc0-11d1-b245-5ffdce74fad2",
    "due": "2026-01-01T12:00:00Z",
    "hour": "10:00:00",
    "pause": "PT1H",
    "tags": ["a", "b"],
    "note": "x",
    "reason": "late",
    "limit": 3,
    "from": "ana",
}
PAGE = "/waits/t/3"
DIGEST = compute_digest(CALL)


def decide(step: Any, thread: object) -> Action:
    return Run(lambda step, call: "paid", approvers=("ana",))


@pytest.fixture
def api(ports: Ports, runner: Asleep) -> FastAPI:
    return api_of(rebind(ports, steps=STEPS, decide=decide), runner)


@pytest.fixture
async def browser(api: FastAPI, store: MemoryStore) -> AsyncIterator[Caller]:
    pause = make_pause("approval", "ana", call=CALL)
    await store_thread(store, make_message("Pay"), make_step(**CALL), pause)
    async with caller(api) as client:
        await client.post("/login", data={"token": TOKENS["ana"]})
        yield client


async def send(browser: Caller, **fields: str) -> tuple[int, str]:
    page = (await browser.get(PAGE)).text
    csrf = page.partition('name="csrf" value="')[2].partition('"')[0]
    answer = await browser.post(PAGE, data={"csrf": csrf, "digest": DIGEST, **fields})
    return answer.status_code, answer.text


def read_form(page: str) -> dict[str, str]:
    """Return what the form of a preview sends."""
    form = page.partition('name="call"')[2]
    call = unescape(form.partition('value="')[2].partition('"')[0])
    edited = form.partition('name="edited" value="')[2].partition('"')[0]
    return {"do": "edit", "call": call, "edited": edited}


@pytest.mark.parametrize(
    ("name", "typed", "kept"),
    [
        ("site", "https://b.example", "https://b.example/"),
        ("amount", "350", "350"),
        ("key", "7D444840-9DC0-11D1-B245-5FFDCE74FAD3", "7d444840-9dc0-11d1-b245-5ffdce74fad3"),
        ("due", "2026-01-02T12:00:00+00:00", "2026-01-02T12:00:00Z"),
        ("hour", "11:30", "11:30:00"),
        ("pause", "PT90M", "PT1H30M"),
        ("tags", '["c", "a"]', ["a", "c"]),
        ("note", "  trimmed ", "trimmed"),
        ("reason", "", None),
        ("limit", "", None),
        ("from", "bob", "bob"),
    ],
)
async def test_an_edit_runs_as_its_preview_shows_it_however_it_is_spelled(
    browser: Caller, store: MemoryStore, name: str, typed: str, kept: Any
) -> None:
    status, page = await send(browser, do="preview", **{f"argument.{name}": typed})
    assert (status, f"You changed {name}." in page) == (200, True)
    assert Calls(page).found == [CALL | {name: kept}]
    assert list_types(await store.load("t"))[-1] == "paused"
    assert (await send(browser, text="ok", **read_form(page)))[0] == 303
    answer = (await store.load("t")).events[-1]
    assert answer.data["call"] == CALL | {name: kept}
    assert (answer.data["verdict"], answer.data["text"]) == ("edit", "ok")


async def test_an_edit_that_changes_nothing_says_so(browser: Caller) -> None:
    status, page = await send(browser, do="preview", **{"argument.amount": "349.00"})
    assert (status, "It is the same as before." in page) == (200, True)


async def test_what_does_not_fit_comes_back_with_all_that_was_typed(
    browser: Caller, store: MemoryStore
) -> None:
    typed = {"argument.amount": "a lot", "argument.note": "new", "text": "less"}
    status, page = await send(browser, do="preview", **typed)
    assert (status, "the edited call is not valid: " in page) == (409, True)
    assert all(value in page for value in typed.values())
    assert "Approve and run" in page
    assert list_types(await store.load("t"))[-1] == "paused"


@pytest.mark.parametrize(
    ("sent", "why"),
    [
        ({"argument.amount": "350"}, "look at the preview of the edited call first"),
        ({"call": "[", "edited": DIGEST}, "look at the preview of the edited call first"),
        ({"call": "null"}, "look at the preview of the edited call first"),
        ({"call": '{"intent": "pay"}', "edited": DIGEST}, "not the edited call you were shown"),
        ({"call": '{"intent": "pay"}'}, "not the edited call you were shown"),
    ],
)
async def test_an_edit_without_its_preview_is_refused(
    browser: Caller, store: MemoryStore, sent: dict[str, str], why: str
) -> None:
    status, page = await send(browser, do="edit", **sent)
    assert (status, why in page) == (409, True)
    assert list_types(await store.load("t"))[-1] == "paused"


async def test_a_preview_of_another_request_is_refused(browser: Caller, store: MemoryStore) -> None:
    _, page = await send(browser, do="preview", **{"argument.amount": "350"})
    status, page = await send(browser, **read_form(page) | {"digest": "of another call"})
    assert (status, "this is not the call you were shown" in unescape(page)) == (409, True)
    await store.append(await store.load("t"), make_answer(3, "reject", "bob", text="no"))
    status, page = await send(browser, do="preview", **{"argument.amount": "350"})
    assert (status, "already closed: reject by bob" in page) == (409, True)


async def test_a_long_value_is_edited_without_loss(browser: Caller, store: MemoryStore) -> None:
    long = "ü\u202e\n" * 9_000 + "end"
    status, page = await send(browser, do="preview", **{"argument.note": long})
    assert status == 200
    assert (await send(browser, **read_form(page)))[0] == 303
    assert (await store.load("t")).events[-1].data["call"]["note"] == long
