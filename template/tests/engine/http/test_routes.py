"""Messages in, answers in, threads out: what 202 promises, and what each refusal says."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import pytest
from fastapi import FastAPI

from agent.engine.http import views
from agent.engine.http.problems import MAX_BODY
from agent.engine.http.wire import MAX_TEXT, Verdict
from agent.engine.log.errors import Unavailable
from agent.engine.log.events import CallJson, Event, compute_digest
from agent.engine.log.state import VERDICTS
from agent.engine.loop import record
from agent.engine.loop.ports import Ports
from agent.engine.people.identity import AnyName
from agent.engine.people.poll import PollChannel
from agent.engine.redaction import guard_redact, redact_store
from agent.engine.runners.local import LocalRunner
from agent.engine.stores.memory import MemoryStore
from agent.engine.stores.sqlite import SqliteStore

from ..domain import (
    Asleep,
    Direct,
    Says,
    World,
    build_agent,
    build_ports,
    make_message,
    make_pause,
    make_step,
    store_thread,
)
from .conftest import TOKENS, Caller, api_of, begin, caller, reused_api_of, until

CHARGE: CallJson = {"intent": "charge", "amount": 500}
APPROVE = {"verdict": "approve", "digest": compute_digest(CHARGE)}


async def test_202_means_recorded_and_the_runner_woken_never_done(
    ana: Caller, ports: Ports, runner: Asleep
) -> None:
    answer = await begin(ana, "deploy")
    assert answer.status_code == 202
    thread = await ports.store.load(answer.json()["id"])
    assert answer.json() == {"id": thread.id, "seq": 1}
    assert answer.headers["location"] == f"/threads/{thread.id}"
    assert [(past.type, past.actor, past.data["text"]) for past in thread.events] == [
        ("message", "ana", "deploy")
    ]
    assert runner.woken == [thread.id]


async def test_one_key_sent_eight_times_at_once_and_again_later_is_one_message(
    tmp_path: Path, world: World
) -> None:
    ports = build_ports(SqliteStore(tmp_path / "threads.db"), Says(), world)
    async with caller(api_of(ports, Asleep()), "ana") as ana:
        answers = await asyncio.gather(*(begin(ana) for _ in range(8)))
        thread_id = answers[0].json()["id"]
        await ana.post(f"/threads/{thread_id}/cancel")
        answers.append(await begin(ana))
        assert [answer.status_code for answer in answers] == [202] * 9
        assert {str(answer.json()) for answer in answers} == {str(answers[0].json())}
        thread = await ports.store.load(thread_id)
        assert [past.type for past in thread.events] == ["message", "cancelled"]
        assert len(await ports.store.threads()) == 1


async def test_one_key_with_another_text_is_refused(ana: Caller, ports: Ports) -> None:
    first = await begin(ana, "deploy v1")
    other = await begin(ana, "deploy v2")
    assert other.status_code == 422
    assert "Idempotency-Key" in other.json()["detail"]
    assert len((await ports.store.load(first.json()["id"])).events) == 1


async def test_a_conversation_or_a_key_names_the_thread_of_its_actor(
    ana: Caller, bob: Caller, ports: Ports
) -> None:
    answers = [
        await begin(ana, "one", "k1", conversation="c"),
        await begin(ana, "two", "k2", conversation="c"),
        await begin(bob, "three", "k3", conversation="c"),
        await begin(ana, "four", "k4", conversation="http:ana:k5"),
        await begin(ana, "five", "k5"),
        await begin(bob, "six", "k5"),
    ]
    assert [answer.status_code for answer in answers] == [202] * 6
    first, second, *others = (answer.json()["id"] for answer in answers)
    assert first == second
    assert len({first, *others}) == 5
    thread = await ports.store.load(first)
    assert [past.data["text"] for past in thread.events] == ["one", "two"]


async def test_a_message_goes_to_the_thread_it_names(
    ana: Caller, bob: Caller, store: MemoryStore, runner: Asleep
) -> None:
    await store_thread(store, make_message())
    sent = [(bob, "more", 202), (bob, "more", 202), (bob, "else", 422), (ana, "mine", 202)]
    for who, text, status in sent:
        assert (await begin(who, text, path="/threads/t/messages")).status_code == status
    assert runner.woken == ["t", "t", "t"]
    assert [past.actor for past in (await store.load("t")).events] == ["ana", "bob", "ana"]


@pytest.mark.parametrize("path", ["/threads", "/threads/t/messages"])
@pytest.mark.parametrize("key", [None, "", "with space", "k" * 256])
async def test_no_message_without_a_usable_key(
    ana: Caller, store: MemoryStore, path: str, key: str | None
) -> None:
    await store_thread(store, make_message())
    headers = {} if key is None else {"Idempotency-Key": key}
    answer = await ana.post(path, json={"text": "hello"}, headers=headers)
    assert answer.status_code == 400
    assert "Idempotency-Key" in answer.json()["detail"]
    assert len((await store.load("t")).events) == 1


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        (r'"a\u0000b"', "a\ufffdb"),
        (r'"a\ud800b"', "a\ufffdb"),
        (r'"\ud83d\ude00 \u001b[31m"', "\U0001f600 \x1b[31m"),
        (f'"{"x" * MAX_TEXT}"', "x" * MAX_TEXT),
    ],
)
async def test_text_survives_whatever_it_holds(
    ana: Caller, ports: Ports, sent: str, kept: str
) -> None:
    headers = {"Idempotency-Key": "k", "Content-Type": "application/json"}
    answer = await ana.post("/threads", content=f'{{"text": {sent}}}', headers=headers)
    assert answer.status_code == 202
    read = await ana.get(answer.headers["location"])
    assert read.json()["events"][0]["data"]["text"] == kept


async def test_a_thread_shows_its_status_its_wait_and_its_events(
    ana: Caller, store: MemoryStore
) -> None:
    await store_thread(store, make_message("hi"))
    read = (await ana.get("/threads/t")).json()
    at = (await store.load("t")).events[0].at
    assert at is not None
    assert read["events"].pop()["at"] == at.isoformat().replace("+00:00", "Z")
    assert read == {
        "id": "t",
        "status": "running",
        "version": 1,
        "agent": "test",
        "owner": "ana",
        "parent": "",
        "children": [],
        "wait": None,
        "standing": [],
        "problem": "",
        "next_try": None,
        "cost": {"amounts": {}, "calls": 0, "calls_without_price": 0},
        "events": [],
        "next": None,
    }


async def test_a_long_thread_is_read_page_by_page(
    ana: Caller, store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(views, "PAGE", 3)
    await store_thread(store, *(make_message(str(number)) for number in range(7)))
    pages: list[list[int]] = []
    after: int | None = 0
    while after is not None:
        page: dict[str, Any] = (await ana.get("/threads/t", params={"after": after})).json()
        pages.append([event["seq"] for event in page["events"]])
        after = page["next"]
    assert pages == [[1, 2, 3], [4, 5, 6], [7]]
    nothing_new = (await ana.get("/threads/t", params={"after": 7})).json()
    assert (nothing_new["events"], nothing_new["next"]) == ([], None)


async def test_threads_are_listed_last_changed_first(
    ana: Caller, store: MemoryStore, clock: Any
) -> None:
    waiting = Event("paused", {"kind": "question", "text": "?", "audience": ["ana"]})
    for thread_id, events in (
        ("old", [make_message()]),
        ("asks", [make_message(), waiting]),
        ("new", [make_message()]),
    ):
        clock.tick(1)
        await store_thread(store, *events, thread_id=thread_id)
    listed = (await ana.get("/threads")).json()
    assert [(each["id"], each["status"]) for each in listed] == [
        ("new", "running"),
        ("asks", "waiting:question"),
        ("old", "running"),
    ]
    only_waiting = (await ana.get("/threads", params={"status": "waiting"})).json()
    assert [each["id"] for each in only_waiting] == ["asks"]
    assert len((await ana.get("/threads", params={"limit": 1})).json()) == 1


async def test_cancel_ends_a_thread_once(bob: Caller, store: MemoryStore, runner: Asleep) -> None:
    await store_thread(store, make_message())
    first = await bob.post("/threads/t/cancel", json={"reason": "enough"})
    again = await bob.post("/threads/t/cancel", json={"reason": "enough"})
    second = await bob.post("/threads/t/cancel")
    assert (first.status_code, first.json()) == (202, {"id": "t", "seq": 2})
    assert (again.status_code, again.json()) == (202, first.json())
    assert (second.status_code, second.json()["detail"]) == (409, "the thread is cancelled already")
    last = (await store.load("t")).events[-1]
    assert (last.type, last.actor, last.data) == ("cancelled", "bob", {"reason": "enough"})
    assert runner.woken == ["t", "t"]


async def test_the_health_of_store_and_runner_needs_no_token(api: FastAPI) -> None:
    async with caller(api) as anybody:
        answer = await anybody.get("/healthz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


# -- waits --


FIVE = {"intent": "charge", "amount": 5}


async def asking(store: MemoryStore, *audience: str, **data: Any) -> None:
    """Store a thread `t` whose wait 3 asks for leave to charge."""
    pause = make_pause("approval", *audience, call=CHARGE, **data)
    await store_thread(store, make_message(), make_step(**CHARGE), pause)


async def test_a_wait_is_listed_with_everything_needed_to_answer(
    ana: Caller, store: MemoryStore
) -> None:
    await asking(store, "ana", "bob", expires_at="2027-01-01T12:00:00+00:00")
    options = {"urgency": "high", "format": "multiple_choice", "choices": ["red", "blue"]}
    asks = make_pause("question", "anyone", options=options)
    await store_thread(store, make_message(), asks, thread_id="asks")
    await store_thread(store, make_message(), thread_id="runs")
    listed = {wait["thread"]: wait for wait in (await ana.get("/waits")).json()}
    assert listed.keys() == {"t", "asks"}
    assert listed["asks"]["options"] == options
    assert listed["t"] == {
        "thread": "t",
        "wait": 3,
        "kind": "approval",
        "text": "approval?",
        "verdicts": ["approve", "edit", "reject"],
        "audience": ["ana", "bob"],
        "options": None,
        "call": CHARGE,
        "digest": compute_digest(CHARGE),
        "standing": None,
        "limit": None,
        "error": None,
        "idempotency_key": None,
        "child": None,
        "expires_at": "2027-01-01T12:00:00Z",
    }
    assert (await ana.get("/threads/t")).json()["wait"] == listed["t"]


async def test_two_people_approve_at_once_and_the_second_reads_who_was_first(
    tmp_path: Path, world: World
) -> None:
    store = SqliteStore(tmp_path / "threads.db")
    api = api_of(build_ports(store, Says(), world), runner := Asleep())
    await store_thread(
        store,
        make_message(),
        make_step(**CHARGE),
        make_pause("approval", "ana", "bob", call=CHARGE),
    )
    async with caller(api, "ana") as ana, caller(api, "bob") as bob:
        answers = await asyncio.gather(
            *(who.post("/threads/t/waits/3", json=APPROVE) for who in (ana, bob, ana, bob))
        )
    won = (await store.load("t")).events[-1].actor
    assert sorted(answer.status_code for answer in answers) == [202, 202, 409, 409]
    recorded = [answer.json() for answer in answers if answer.status_code == 202]
    assert recorded == [{"id": "t", "seq": 4}] * 2
    refused = {answer.json()["detail"] for answer in answers if answer.status_code == 409}
    assert refused == {f"already closed: approve by {won}"}
    assert [past.type for past in (await store.load("t")).events].count("resumed") == 1
    assert runner.woken == ["t", "t"]


REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("ana", {"verdict": "approve"}, "not the call you were shown"),
    ("ana", {"verdict": "approve", "digest": compute_digest({"intent": "charge"})}, "not the call"),
    ("ana", {"verdict": "answer"}, "does not answer this approval"),
    ("bob", APPROVE, "bob is not asked; ana may answer"),
    ("ana", {**APPROVE, "verdict": "edit"}, "an edit changes the arguments"),
    ("ana", {**APPROVE, "verdict": "edit", "call": {"intent": "done"}}, "an edit changes"),
    ("ana", {**APPROVE, "verdict": "edit", "call": {"amount": "all"}}, "is not valid"),
]


@pytest.mark.parametrize(("who", "body", "why"), REFUSED)
async def test_an_answer_that_does_not_fit_is_refused_and_the_wait_stays_open(
    ana: Caller, bob: Caller, store: MemoryStore, who: str, body: dict[str, Any], why: str
) -> None:
    await asking(store)
    answer = await {"ana": ana, "bob": bob}[who].post("/threads/t/waits/3", json=body)
    assert answer.status_code == 409
    assert why in answer.json()["detail"]
    assert (await store.load("t")).state.wait


async def test_an_answer_to_an_expired_or_superseded_wait_is_refused(
    ana: Caller, store: MemoryStore, clock: Any
) -> None:
    await asking(store, expires_at="2027-01-15T09:00:00+00:00")
    clock.tick(7200)
    expired = await ana.post("/threads/t/waits/3", json=APPROVE)
    assert (expired.status_code, expired.json()["detail"]) == (
        409,
        "already closed: expired by system",
    )
    await store_thread(
        store,
        make_message(),
        make_pause("question"),
        make_message("never mind"),
        thread_id="superseded",
    )
    late = await ana.post("/threads/superseded/waits/2", json={"verdict": "answer"})
    assert late.status_code == 409
    assert "not waiting for an answer" in late.json()["detail"]


async def test_an_edit_is_shown_in_its_final_form_and_bound_to_it(
    ana: Caller, store: MemoryStore
) -> None:
    await asking(store)
    edit = {"call": {"amount": 5}}
    preview = (await ana.post("/threads/t/waits/3/preview", json=edit)).json()
    assert preview == {"call": FIVE, "digest": compute_digest(FIVE)}
    assert (await store.load("t")).state.version == 3
    other = {"verdict": "edit", "call": {"amount": 6}, "digest": preview["digest"]}
    assert (await ana.post("/threads/t/waits/3", json=other)).status_code == 409
    sent = {"verdict": "edit", **preview}
    assert (await ana.post("/threads/t/waits/3", json=sent)).status_code == 202
    assert (await store.load("t")).events[-1].data["call"] == FIVE


@pytest.mark.parametrize("amount", [10**400, "\0", "x" * 60_000])
async def test_an_edit_that_cannot_be_kept_whole_is_refused(
    amount: Any, ana: Caller, store: MemoryStore
) -> None:
    await asking(store)
    sent = {"verdict": "edit", "call": {"amount": amount}, "digest": compute_digest(CHARGE)}
    assert (await ana.post("/threads/t/waits/3", json=sent)).status_code == 409
    assert (await store.load("t")).state.version == 3


async def test_an_approval_for_the_thread_is_shown_and_can_be_revoked(
    ana: Caller, bob: Caller, store: MemoryStore
) -> None:
    scope = {"amount": 500}
    await asking(store, "ana", standing=scope)
    wait = (await ana.get("/threads/t")).json()["wait"]
    assert wait["standing"] == scope
    given = {"verdict": "approve", "digest": wait["digest"], "standing": True}
    assert (await ana.post("/threads/t/waits/3", json=given)).status_code == 202
    standing = (await bob.get("/threads/t")).json()["standing"]
    assert standing == [{"approval": 4, "intent": "charge", "values": scope, "by": "ana"}]
    path = "/threads/t/approvals/4/revoke"
    revoked = [await who.post(path) for who in (bob, bob, ana)]
    assert [answer.status_code for answer in revoked] == [202, 202, 409]
    assert revoked[0].json() == revoked[1].json() == {"id": "t", "seq": 5}
    assert (await ana.get("/threads/t")).json()["standing"] == []


async def test_a_step_is_rated_and_nothing_else_is(ana: Caller, store: MemoryStore) -> None:
    await asking(store)
    rating = {"rating": "bad", "text": "too much"}
    assert (await ana.post("/threads/t/steps/2/rating", json=rating)).status_code == 202
    last = (await store.load("t")).events[-1]
    assert (last.type, last.actor, last.data) == ("rated", "ana", {"step": 2, **rating})
    assert (await ana.post("/threads/t/steps/1/rating", json=rating)).status_code == 409
    awful = {"rating": "awful"}
    assert (await ana.post("/threads/t/steps/2/rating", json=awful)).status_code == 422


async def test_nobody_approves_by_get(ana: Caller, store: MemoryStore) -> None:
    await asking(store)
    answer = await ana.get("/threads/t/waits/3", params=APPROVE)
    assert answer.status_code == 405
    assert (await store.load("t")).state.wait


async def test_every_verdict_can_be_said() -> None:
    assert set(get_args(Verdict)) == set().union(*VERDICTS.values())


def opened(folder: Path, world: World, *replies: Any) -> Ports:
    return build_ports(SqliteStore(folder / "threads.db"), Says(*replies), world)


@pytest.mark.parametrize(
    ("body", "charged"),
    [
        (APPROVE, ["500"]),
        ({**APPROVE, "verdict": "edit", "call": {"amount": 400}}, ["400"]),
        ({"verdict": "reject", "text": "too much"}, []),
    ],
)
async def test_the_answer_comes_after_a_restart_and_the_thread_runs_to_its_end(
    tmp_path: Path, world: World, body: dict[str, Any], charged: list[str]
) -> None:
    before = opened(tmp_path, world, {"intent": "look", "at": "x"}, CHARGE)
    api = api_of(before, LocalRunner(before, poll_s=0.01))
    async with api.router.lifespan_context(api), caller(api, "ana") as ana:
        thread_id = (await begin(ana, "charge")).json()["id"]
        wait = (await until(ana, "/waits", len))[0]["wait"]

    after = opened(tmp_path, world, {"intent": "done", "message": "bye"})
    api = api_of(after, LocalRunner(after, poll_s=0.01))
    async with api.router.lifespan_context(api), caller(api, "ana") as ana:
        answer = await ana.post(f"/threads/{thread_id}/waits/{wait}", json=body)
        assert answer.json() == {"id": thread_id, "seq": wait + 1}
        read = await until(ana, f"/threads/{thread_id}", lambda now: now["status"] == "finished")
    assert world.effects("charge") == charged
    assert [event["type"] for event in read["events"]].count("step") == 3


# -- what is promised, and what is refused --


def test_every_route_says_what_it_is_for(api: FastAPI) -> None:
    described = api.openapi()
    assert list(described["components"]["securitySchemes"]) == ["HTTPBearer"]
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            assert operation["description"], (method, path)
            assert ("security" in operation) == (path not in ("/healthz", "/readyz"))
            for status, answer in operation["responses"].items():
                assert answer["description"] != "Successful Response", (method, path, status)


GUARDED = [
    ("GET", "/threads"),
    ("POST", "/threads"),
    ("GET", "/threads/t"),
    ("GET", "/threads/t/events"),
    ("DELETE", "/threads/t"),
    ("POST", "/threads/t/messages"),
    ("POST", "/threads/t/waits/1"),
    ("POST", "/threads/t/waits/1/preview"),
    ("POST", "/threads/t/approvals/1/revoke"),
    ("POST", "/threads/t/steps/1/rating"),
    ("POST", "/threads/t/cancel"),
    ("GET", "/waits"),
]


def detail(answer: Any) -> str:
    """Return the one field of a problem."""
    assert answer.headers["content-type"] == "application/json"
    assert list(answer.json()) == ["detail"]
    return str(answer.json()["detail"])


@pytest.mark.parametrize("given", [None, "Bearer", "Bearer x", f"Basic {TOKENS['ana']}"])
@pytest.mark.parametrize(("method", "path"), GUARDED)
async def test_no_route_without_a_token(
    api: FastAPI, method: str, path: str, given: str | None
) -> None:
    headers = {"Authorization": given} if given else {}
    async with caller(api) as nobody:
        answer = await nobody.request(method, path, headers=headers)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert "token" in detail(answer)


def test_no_route_is_left_out_above(api: FastAPI) -> None:
    paths = api.openapi()["paths"]
    routes = {(method.upper(), path) for path, methods in paths.items() for method in methods}
    ids = {"thread_id": "t", "wait": 1, "approval": 1, "step": 1}
    asked = {(method, path.format(**ids)) for method, path in routes}
    assert asked == {*GUARDED, ("GET", "/healthz"), ("GET", "/readyz")}


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 422),
        (b"{", 400),
        (b"\xff\xfe\xfd", 400),
        (b"[" * 100_000, 400),
        (b'{"text": ' + b"9" * 10_000 + b"}", 400),
        (b'{"text": ' + b"[" * 500 + b"]" * 500 + b"}", 422),
        (b'{"text": ""}', 422),
        (b'{"text": 1}', 422),
        (b'{"text": null}', 422),
        (b'{"text": "a", "actor": "system"}', 422),
        (b'{"text": "a", "\\ud800": 1}', 422),
        (b'{"text": "a", "conversation": ""}', 422),
        (b'{"text": "%s"}' % (b"x" * (MAX_TEXT + 1)), 422),
        (b'{"text": "a", %s}' % b",".join(b'"%d": 1' % number for number in range(1000)), 422),
        (b"[]", 422),
        (b"null", 422),
    ],
)
async def test_a_body_that_does_not_fit_is_refused_in_words(
    ana: Caller, store: MemoryStore, body: bytes, status: int
) -> None:
    headers = {"Idempotency-Key": "k", "Content-Type": "application/json"}
    answer = await ana.post("/threads", content=body, headers=headers)
    assert answer.status_code == status
    assert len(detail(answer)) < 1100
    assert await store.threads() == []


async def test_json_has_to_say_that_it_is_json(ana: Caller) -> None:
    headers = {"Idempotency-Key": "k", "Content-Type": "text/plain"}
    answer = await ana.post("/threads", content=b'{"text": "a"}', headers=headers)
    assert answer.status_code == 422


async def test_a_body_that_says_it_is_too_long_is_not_read(ana: Caller) -> None:
    async def never() -> AsyncIterator[bytes]:
        raise AssertionError("it was read")
        yield b""

    headers = {"Idempotency-Key": "k", "Content-Length": str(MAX_BODY + 1)}
    answer = await ana.post("/threads", content=never(), headers=headers)
    assert answer.status_code == 413
    assert str(MAX_BODY) in detail(answer)


async def test_a_body_that_turns_out_too_long_is_not_read_on(ana: Caller) -> None:
    read = 0

    async def long() -> AsyncIterator[bytes]:
        nonlocal read
        while read < 100:
            read += 1
            yield b"x" * 100_000

    headers = {"Idempotency-Key": "k", "Content-Type": "application/json"}
    answer = await ana.post("/threads", content=long(), headers=headers)
    assert answer.status_code == 413
    assert str(MAX_BODY) in detail(answer)
    assert read * 100_000 <= MAX_BODY + 100_000


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nowhere", 404),
        ("GET", "/threads/none", 404),
        ("POST", "/threads/none/messages", 404),
        ("POST", "/threads/none/cancel", 404),
        ("GET", "/threads/no%00ne", 404),
        ("POST", "/threads/none/waits/3", 404),
        ("POST", "/threads/none/waits/0", 404),
        ("GET", "/threads?limit=0", 422),
        ("GET", "/threads/none?after=-1", 404),
        ("GET", "/threads?statu=waiting", 422),
        ("GET", "/threads?status=sleeping", 422),
        ("DELETE", "/threads/none", 404),
        ("PUT", "/threads/none", 405),
        ("GET", "/threads/none/cancel", 405),
    ],
)
async def test_what_is_not_there_says_so(ana: Caller, method: str, path: str, status: int) -> None:
    bodies = {"messages": {"text": "a"}, "waits": {"verdict": "approve"}}
    body = next((body for name, body in bodies.items() if name in path), None)
    answer = await ana.request(method, path, headers={"Idempotency-Key": "k"}, json=body)
    assert answer.status_code == status
    assert detail(answer)


async def test_405_names_every_method_of_the_path(ana: Caller) -> None:
    for path, methods in (("/threads", "POST, GET"), ("/threads/t/cancel", "POST")):
        assert (await ana.delete(path)).headers["allow"] == methods
    allowed = (await ana.post("/openapi.json")).headers["allow"]
    assert set(allowed.split(", ")) == {"GET", "HEAD"}


async def test_a_stranger_s_body_is_not_read(api: FastAPI) -> None:
    async def endless() -> AsyncIterator[bytes]:
        pytest.fail("it was read")
        yield b""

    async with caller(api) as stranger:
        for path in ("/threads", "/threads/t/messages", "/threads/t/waits/3", "/threads/t/cancel"):
            answer = await stranger.post(path, content=endless())
            assert answer.status_code == 401
            assert "Bearer" in answer.headers["www-authenticate"]


async def test_docs_describe_every_route_without_a_script(ana: Caller, api: FastAPI) -> None:
    shown = await ana.get("/docs")
    assert "<script" not in shown.text
    assert "default-src 'none'" in shown.headers["content-security-policy"]
    described = api.openapi()
    for path, methods in described["paths"].items():
        for method in methods:
            assert f"<h2>{method.upper()} {path}</h2>" in shown.text
    for name in described["components"]["schemas"]:
        assert f'<h2 id="{name}">' in shown.text
    for words in ("Idempotency-Key", "string, header, required", 'href="#NewThread"'):
        assert words in shown.text


def test_the_longest_text_fits_into_a_body() -> None:
    assert 12 * MAX_TEXT + 10_000 < MAX_BODY  # "\\ud83d\\ude00" is one character


@pytest.mark.parametrize("asked_for", [None, 7.2])
async def test_a_store_that_is_away_is_503_and_says_when_to_come_back(
    ana: Caller, store: MemoryStore, monkeypatch: pytest.MonkeyPatch, asked_for: float | None
) -> None:
    async def away(*_: object, **__: object) -> None:
        raise Unavailable("the disk is gone", asked_for)

    monkeypatch.setattr(record, "PATIENCE_S", 0.0)
    for method in ("load", "append", "threads"):
        monkeypatch.setattr(store, method, away)
    for answer in (
        await begin(ana),
        await ana.get("/threads/t"),
        await ana.get("/threads/t/events"),
        await ana.get("/waits"),
        await ana.get("/readyz"),
    ):
        assert (answer.status_code, detail(answer)) == (503, "the disk is gone")
        assert answer.headers["retry-after"] == ("8" if asked_for else "1")


async def test_a_bug_tells_nothing_to_the_caller(
    ana: Caller, store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object) -> None:
        raise ValueError("password=hunter2")

    monkeypatch.setattr(store, "load", broken)
    answer = await ana.get("/threads/t")
    assert answer.status_code == 500
    assert "hunter2" not in json.dumps(answer.json())
    assert detail(answer)


async def test_a_thread_is_for_the_agent_that_its_request_names(
    ana: Caller, store: MemoryStore
) -> None:
    answer = await begin(ana, agent="test")
    assert answer.status_code == 202
    assert (await store.load(answer.json()["id"])).state.agent == "test"
    assert (await ana.get(f"/threads/{answer.json()['id']}")).json()["agent"] == "test"


async def test_an_unknown_agent_is_refused(ana: Caller, store: MemoryStore) -> None:
    answer = await begin(ana, agent="third")
    assert answer.status_code == 404
    assert "there is no agent 'third'; the agents are test" in answer.json()["detail"]
    assert await store.threads() == []


async def test_a_conversation_that_has_an_agent_is_not_given_to_another(
    store: MemoryStore, world: World
) -> None:
    agents = {name: build_agent(Says(), world, name=name) for name in ("first", "second")}
    ports = Ports(store, Direct(PollChannel()), agents, AnyName())
    async with caller(api_of(ports, Asleep()), "ana") as ana:
        assert (await begin(ana, agent="second", conversation="c")).status_code == 202
        answer = await begin(ana, key="2", agent="first", conversation="c")
        assert answer.status_code == 409
        assert "is with the agent 'second', not 'first'" in answer.json()["detail"]
        assert (await begin(ana, key="3", conversation="c")).status_code == 202


async def test_what_is_redacted_is_recorded_once_and_known_again(
    store: MemoryStore, world: World, runner: Asleep
) -> None:
    def hide(text: str) -> str:
        return text.replace("4111", "[card]")

    redact_store(store, hide)
    ports = replace(build_ports(store, Says(), world), redact=hide)
    async with caller(reused_api_of(ports, runner), "ana") as ana:
        for _ in range(2):
            answer = await begin(ana, "my card is 4111")
            assert answer.status_code == 202
        (row,) = await store.threads()
        assert (row.title, row.version) == ("my card is [card]", 1)
        assert (await begin(ana, "my card is 5111")).status_code == 422


async def test_where_redaction_fails_it_is_refused_at_once(
    store: MemoryStore, world: World, runner: Asleep
) -> None:
    calls: list[str] = []

    def broken(text: str) -> str:
        calls.append(text)
        raise ValueError("no")

    redact = guard_redact(broken)
    redact_store(store, redact)
    ports = replace(build_ports(store, Says(), world), redact=redact)
    async with caller(reused_api_of(ports, runner), "ana") as ana:
        answer = await begin(ana, "secret")
    assert (answer.status_code, len(calls)) == (503, 1)
    assert detail(answer) == "`redact` failed (ValueError); nothing was stored"
    assert await store.ids() == []
