"""Signed webhooks over HTTP: who gets in, what becomes of it, and what each refusal says."""

import asyncio
import logging
import os
import shutil
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from agent.engine.http.problems import MAX_BODY
from agent.engine.http.server import create_app
from agent.engine.http.service import Tokens
from agent.engine.log.errors import Misconfigured
from agent.engine.log.thread import Thread
from agent.engine.loop.actions import Finish, Run, Wait
from agent.engine.loop.advance import advance
from agent.engine.loop.api import expire
from agent.engine.loop.ports import Ports, Runner
from agent.engine.people.routing import Routing
from agent.engine.runners.app import App
from agent.engine.runners.local import LocalRunner
from agent.engine.stores.memory import MemoryStore
from agent.engine.stores.sqlite import SqliteStore
from agent.engine.webhook import served
from agent.engine.webhook.channel import Receiver, WebhookChannel
from agent.engine.webhook.routes import delivery

from ..conftest import Clock
from ..domain import Charge, Done, Says, Shown, World, chose, ports_of, said, stored, types
from ..http.conftest import TOKENS, Asleep, bearer
from .receiver import system
from .senders import GITHUB_SECRET, KEY, SECRET, Request, but, github, standard

FILE = """
[github]
scheme = "github"
secret = "GITHUB_WEBHOOK_SECRET"
when = { action = ["opened", "created"] }
conversation = "{repository.full_name}#{issue.number}"
text = ["{comment.body}", "{issue.title}: {issue.body}"]
tell = "slack:C1"

[crm]
secret = "CRM_WEBHOOK_SECRET"
conversation = "{ticket}"
text = "{text}"
reply_url = "https://crm.example.org/hooks"

[other]
secret = "CRM_WEBHOOK_SECRET"
conversation = "{ticket}"
text = "{text}"

[builds]
secret = "CRM_WEBHOOK_SECRET"
job = "{reference}"
text = "{status}: {message}"
"""
ISSUE = {
    "action": "opened",
    "repository": {"full_name": "acme/shop"},
    "issue": {"number": 7, "title": "It burns", "body": None},
}
COMMENT = ISSUE | {"action": "created", "comment": {"body": "still"}}
TICKET = {"ticket": 12, "text": "it is broken"}
SIGNED = standard(TICKET)
NEW_KEY = KEY[::-1]

Sender = httpx2.AsyncClient


@pytest.fixture(autouse=True)
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "webhooks.toml"
    path.write_text(FILE, "utf-8")
    monkeypatch.setenv("WEBHOOKS_FILE", str(path))
    monkeypatch.setenv("GITHUB_WEBHOOK_SECRET", GITHUB_SECRET)
    monkeypatch.setenv("CRM_WEBHOOK_SECRET", SECRET)
    return path


@pytest.fixture
def runner() -> Asleep:
    return Asleep()


def sender(ports: Ports, runner: Runner) -> Sender:
    tokens = ",".join(f"{name}:{token}" for name, token in TOKENS.items())
    api = create_app(App(ports, runner, [served]), Tokens.parse(tokens))
    transport = httpx2.ASGITransport(api, raise_app_exceptions=False)
    return Sender(transport=transport, base_url="http://agent")


@pytest.fixture
def ports(store: MemoryStore, world: World) -> Ports:
    return ports_of(store, Says(), world)


@pytest.fixture
async def there(ports: Ports, runner: Asleep) -> AsyncIterator[Sender]:
    async with sender(ports, runner) as client:
        yield client


async def send(there: Sender, name: str, request: Request) -> httpx2.Response:
    body, headers = request()
    raw = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
    return await there.post(f"/webhooks/{name}", content=body, headers=raw)


# -- what comes in -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "request_", "text", "reply_to"),
    [
        ("github", github(ISSUE), "It burns: ", "slack:C1"),
        ("github", github(COMMENT), "still", "slack:C1"),
        ("crm", SIGNED, "it is broken", "webhook:crm:12"),
        ("other", SIGNED, "it is broken", "poll:"),
        ("crm", but(SIGNED, content_type=None), "it is broken", "webhook:crm:12"),
        ("crm", but(SIGNED, content_type="application/cloudevents+json"), "it is broken", ""),
    ],
)
async def test_a_signed_payload_is_a_message_of_its_source(
    there: Sender, runner: Asleep, store: MemoryStore,
    name: str, request_: Request, text: str, reply_to: str,
) -> None:  # fmt: skip
    answer = await send(there, name, request_)
    assert answer.status_code == 202
    thread = await store.load(answer.json()["id"])
    assert answer.json() == {"id": thread.id, "seq": 1}
    (message,) = thread.events
    assert (message.type, message.actor) == ("message", f"hook:{name}")
    assert message.data["text"] == text
    assert message.data["source"] == "webhook"
    assert message.data["reply_to"] == (reply_to or "webhook:crm:12")
    assert runner.woken == [thread.id]


async def test_what_no_store_keeps_is_replaced(
    tmp_path: Path, world: World, runner: Asleep
) -> None:
    ports = ports_of(SqliteStore(tmp_path / "threads.db"), Says(), world)
    async with sender(ports, runner) as there:
        answer = await send(there, "crm", standard({"ticket": "a\ud800", "text": "b\0\udfff"}))
        report = {"reference": "\ud800.s", "status": "ok", "message": ""}
        assert (await send(there, "builds", standard(report))).status_code == 404
    (message,) = (await ports.store.load(answer.json()["id"])).events
    assert message.data["text"] == "b\ufffd\ufffd"
    assert message.data["reply_to"] == "webhook:crm:a\ufffd"


async def test_a_conversation_is_one_of_its_source(there: Sender, store: MemoryStore) -> None:
    sent = [
        ("github", github(ISSUE)),
        ("github", github(COMMENT)),
        ("crm", SIGNED),
        ("crm", standard(TICKET, "msg_2")),
        ("other", SIGNED),
        ("crm", standard(TICKET | {"ticket": 13}, "msg_3")),
    ]
    ids = [(await send(there, name, request)).json()["id"] for name, request in sent]
    assert ids[0] == ids[1]
    assert ids[2] == ids[3]
    assert len(set(ids)) == 4
    texts = [past.data["text"] for past in (await store.load(ids[0])).events]
    assert texts == ["It burns: ", "still"]


@pytest.mark.parametrize(
    ("name", "first", "again"),
    [
        ("crm", SIGNED, SIGNED),
        ("crm", SIGNED, standard(TICKET, "msg_1", age_s=60)),  # as a sender that tries again does
        ("github", github(ISSUE), github(ISSUE)),
        ("github", github(ISSUE), github(ISSUE, "d2")),  # its id is not signed: somebody else's
    ],
)
async def test_a_delivery_sent_eight_times_at_once_and_again_later_is_one_message(
    tmp_path: Path, world: World, runner: Asleep, name: str, first: Request, again: Request
) -> None:
    ports = ports_of(SqliteStore(tmp_path / "threads.db"), Says(), world)
    async with sender(ports, runner) as there:
        answers = await asyncio.gather(*(send(there, name, first) for _ in range(8)))
        answers.append(await send(there, name, again))
    assert [answer.status_code for answer in answers] == [202] * 9
    assert len({str(answer.json()) for answer in answers}) == 1
    assert types(await ports.store.load(answers[0].json()["id"])) == ["message"]


@pytest.mark.parametrize(
    ("name", "request_"),
    [
        ("github", github(ISSUE | {"action": "closed"})),
        ("github", github({"action": "opened"}, event="ping")),
    ],
)
async def test_what_is_not_meant_is_ignored(
    there: Sender, runner: Asleep, store: MemoryStore, name: str, request_: Request
) -> None:
    answer = await send(there, name, request_)
    assert answer.status_code == 202
    assert list(answer.json()) == ["ignored"]
    assert await store.threads() == []
    assert runner.woken == []


# -- who does not get in -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "request_", "why"),
    [
        ("crm", but(SIGNED, webhook_id=None), "missing required headers"),
        ("crm", but(SIGNED, webhook_timestamp=None), "missing required headers"),
        ("crm", but(SIGNED, webhook_signature=None), "missing required headers"),
        ("crm", but(SIGNED, webhook_id="msg_2"), "no matching signature"),
        ("crm", but(SIGNED, webhook_timestamp="1"), "too old"),
        ("crm", but(SIGNED, webhook_timestamp="nan"), "invalid signature headers"),
        ("crm", but(SIGNED, webhook_timestamp="soon"), "invalid signature headers"),
        ("crm", but(SIGNED, webhook_signature="v1"), "cannot be read"),
        ("crm", but(SIGNED, webhook_signature="v1,%%%"), ""),
        ("crm", but(SIGNED, webhook_signature="v2,xx"), "no matching signature"),
        ("crm", but(SIGNED, webhook_signature="v1,\u00fc"), ""),
        ("crm", but(SIGNED, SIGNED()[0] + b" "), "no matching signature"),
        ("crm", but(SIGNED, b"\xff"), "cannot be read"),
        ("crm", but(SIGNED, b""), "no matching signature"),
        ("crm", standard(TICKET, age_s=301), "too old"),
        ("crm", standard(TICKET, age_s=-330), "too new"),
        ("crm", standard(TICKET, key=NEW_KEY), "no matching signature"),
        ("crm", github(TICKET), "missing required headers"),
        ("github", but(github(ISSUE), x_hub_signature_256=None), "missing required headers"),
        ("github", but(github(ISSUE), x_hub_signature_256="sha256=00"), "no matching signature"),
        ("github", but(github(ISSUE), x_hub_signature_256="\u00fc"), "no matching signature"),
        ("github", but(github(ISSUE), github(COMMENT)()[0]), "no matching signature"),
        ("github", github(ISSUE, secret="It's no Secret"), "no matching signature"),
        ("github", github({}, secret="It's no Secret", event="ping"), "no matching signature"),
        ("github", standard(ISSUE), "missing required headers"),
        ("builds", standard({"reference": "x"}, key=NEW_KEY), "no matching signature"),
    ],
)
async def test_who_does_not_sign_does_not_get_in(
    there: Sender, runner: Asleep, store: MemoryStore, name: str, request_: Request, why: str
) -> None:
    answer = await send(there, name, request_)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"]
    assert why in answer.json()["detail"]
    assert SECRET[6:] not in answer.text
    assert await store.threads() == []
    assert runner.woken == []


DEEP = b'{"a":' * 100_000


@pytest.mark.parametrize(
    ("name", "request_", "status", "why"),
    [
        ("nobody", SIGNED, 404, "there is no such webhook"),
        ("", SIGNED, 404, ""),
        ("crm/12", SIGNED, 404, ""),
        ("CRM", SIGNED, 404, "there is no such webhook"),
        ("github", but(github(b"payload=%7B%7D"), content_type="application/x-www-form-urlencoded"),
         415, "application/json"),
        ("crm", but(SIGNED, content_type="multipart/form-data; boundary=x"), 415, "a form"),
        ("crm", standard(b" " * (MAX_BODY + 1)), 413, "bytes"),
        ("crm", but(SIGNED, content_length="-1"), 413, "bytes"),
        ("crm", standard(b"{"), 400, "not JSON"),
        ("crm", standard(b""), 400, "not JSON"),
        ("crm", standard(DEEP), 400, "not JSON"),
        ("crm", standard(b'{"ticket": ' + b"9" * 5000 + b"}"), 400, "not JSON"),
        ("github", github(b"\xff"), 400, "not JSON"),
        ("crm", standard([TICKET]), 400, "not a JSON object"),
        ("crm", standard(TICKET, "m" * 256), 400, "webhook-id"),
        ("crm", standard({"text": "hello"}), 422, "the payload has no 'ticket'"),
        ("crm", standard({"ticket": None, "text": "hello"}), 422, "has no 'ticket'"),
        ("crm", standard({"ticket": "x" * 256, "text": "hello"}), 422, "at most 255"),
        ("crm", standard({"ticket": 12}), 422, "the payload has no 'text'"),
        ("crm", standard({"ticket": 12, "text": " \n"}), 422, "the text is empty"),
        ("github", github({"action": "opened"}), 422, "no 'comment.body' and no 'issue.title'"),
        ("builds", standard({"reference": "nobody.s", "status": "ok", "message": ""}), 404,
         ""),
    ],
)  # fmt: skip
async def test_what_cannot_be_used_is_refused(
    there: Sender, runner: Asleep, store: MemoryStore, name: str, request_: Request, status: int,
    why: str,
) -> None:  # fmt: skip
    answer = await send(there, name, request_)
    assert answer.status_code == status, answer.text
    assert why in answer.json()["detail"]
    assert not any(other in answer.text for other in ("builds", "GITHUB_WEBHOOK_SECRET"))
    assert await store.threads() == []
    assert runner.woken == []


async def test_a_body_without_end_is_not_read_to_its_end(there: Sender) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while True:
            sent += 1
            yield b" " * 100_000

    answer = await there.post("/webhooks/crm", content=endless(), headers=SIGNED()[1])
    assert answer.status_code == 413
    assert sent * 100_000 <= MAX_BODY + 200_000


async def test_a_get_does_nothing(there: Sender) -> None:
    assert (await there.get("/webhooks/crm")).status_code == 405


async def test_the_routes_are_no_part_of_the_described_api(there: Sender) -> None:
    assert "/webhooks" not in (await there.get("/openapi.json")).text


# -- setting it up -----------------------------------------------------------------------------


async def test_two_secrets_hold_while_one_takes_the_place_of_another(
    ports: Ports, runner: Asleep, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_WEBHOOK_SECRET", f"{GITHUB_SECRET}, 0123456789abcdef")
    async with sender(ports, runner) as there:
        for secret in (GITHUB_SECRET, "0123456789abcdef"):
            assert (await send(there, "github", github(ISSUE, secret=secret))).status_code == 202
        refused = await send(there, "github", github(ISSUE, secret="0123456789abcdeX"))
        assert refused.status_code == 401


def test_a_shell_signs_as_the_page_says() -> None:
    """By hand the key is easily mistaken: it is not the text of the secret."""
    if not shutil.which("openssl"):
        pytest.skip("openssl is not here")
    page = Path(__file__).parents[3] / "docs/webhook.md"
    signs = page.read_text("utf-8").partition("```sh\n")[2].partition("curl")[0]
    ran = subprocess.run(
        ["sh", "-c", f'{signs}printf "%s\n" "$id" "$time" "v1,$signature" "$body"'],
        env=os.environ | {"BUILDS_WEBHOOK_SECRET": SECRET},
        capture_output=True,
        text=True,
        check=True,
    )
    *values, body = ran.stdout.splitlines()
    names = ("webhook-id", "webhook-timestamp", "webhook-signature")
    headers = dict(zip(names, values, strict=True))
    assert delivery("standard", [KEY], headers, body.encode()) == "build-7"


def test_without_a_source_nothing_comes_in_and_the_log_says_how_it_would(
    ports: Ports, runner: Asleep, file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file.unlink()
    with caplog.at_level(logging.WARNING):
        assert served(App(ports, runner)) is None
    how = f"a table in {str(file)!r} switches it on, see docs/webhook.md"
    assert caplog.messages == [f"webhook is off: {how}"]


@pytest.mark.parametrize(
    ("tell", "problem"),
    [
        ("fax:1", "fax:1' needs 'fax', which is not set up here (poll, slack): set it up, add the"),
        ("slack: ", "slack: ' has no address; write channel:address"),
        ("slack:C1", ""),
        ("poll:", ""),
        ("", ""),
    ],
)
def test_where_nobody_would_be_told_stops_the_start(
    tell: str, problem: str, store: MemoryStore, world: World, runner: Asleep, file: Path
) -> None:
    file.write_text(FILE.replace("slack:C1", tell), "utf-8")
    channel = Routing({"poll": Shown(), "slack": Shown()})
    app = App(ports_of(store, Says(), world, channel=channel), runner)
    if problem:
        with pytest.raises(Misconfigured) as refused:
            served(app)
        assert f"{str(file)!r}, github.tell = '{problem}" in str(refused.value)
    else:
        assert served(app)


def test_a_source_without_its_secret_stops_the_start(
    ports: Ports, runner: Asleep, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GITHUB_WEBHOOK_SECRET")
    with pytest.raises(Misconfigured, match="GITHUB_WEBHOOK_SECRET is not set"):
        served(App(ports, runner))


# -- reports -----------------------------------------------------------------------------------


class Build:
    """An agent whose tool begins a job and waits for it."""

    def __init__(self, store: MemoryStore, world: World, audience: str = "anyone") -> None:
        self.keys: list[str] = []
        self.meanwhile: Any = None
        self.llm = Says({"intent": "done", "message": "bye"})
        wait = Wait("building", seconds=60, kind="job", audience=(audience,))

        async def build(step: Charge, key: str) -> Wait:
            self.keys.append(key)
            if self.meanwhile:
                await self.meanwhile()
            return wait

        def decide(step: Any) -> Any:
            match step:
                case Charge():
                    return Run(build, effect="idempotent")
                case Done():
                    return Finish(step.message)

        self.ports = ports_of(store, self.llm, world, decide=decide)

    async def begin(self) -> Thread:
        begun = await stored(self.ports.store, said(), chose("charge", amount=5))
        return await advance(self.ports, begun)

    def report(self, message_id: str = "msg_1", status: str = "green") -> Request:
        told = {"reference": self.keys[0], "status": status, "message": "12 tests"}
        return standard(told, message_id)


async def test_a_report_is_the_result_of_the_tool_that_waits_for_it(
    store: MemoryStore, world: World, runner: Asleep
) -> None:
    build = Build(store, world)
    await build.begin()
    async with sender(build.ports, runner) as there:
        answer = await send(there, "builds", build.report())
        assert (answer.status_code, answer.json()) == (202, {"id": "t", "seq": 6})
        assert runner.woken == ["t"]
        again = await send(there, "builds", build.report())
        assert again.json() == {"ignored": "already closed: done by hook:builds"}
    ended = await advance(build.ports, await store.load("t"))
    assert types(ended)[3:] == ["paused", "delivered", "resumed", "step", "finished", "delivered"]
    assert ended.event(6).actor == "hook:builds"
    assert 'response: "green: 12 tests"' in build.llm.prompts[0].blocks[-1]
    assert len(build.keys) == 1


async def test_who_reports_before_the_tool_has_returned_is_asked_to_do_it_again(
    store: MemoryStore, world: World, runner: Asleep
) -> None:
    build = Build(store, world)
    async with sender(build.ports, runner) as there:

        async def too_early() -> None:
            answer = await send(there, "builds", build.report())
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")

        build.meanwhile = too_early
        await build.begin()
        assert (await send(there, "builds", build.report())).json()["id"] == "t"


async def test_a_report_that_nobody_waits_for_any_more_is_ignored_and_says_why(
    store: MemoryStore, world: World, runner: Asleep, clock: Clock
) -> None:
    build = Build(store, world)
    await build.begin()
    clock.tick(61)
    async with sender(build.ports, runner) as there:
        answer = await send(there, "builds", build.report())
        assert answer.json() == {"ignored": "already closed: expired by system"}
        assert answer.status_code == 202
    assert types(await expire(build.ports, await store.load("t")))[-1] == "resumed"
    assert (await store.load("t")).events[-1].data["verdict"] == "expired"


async def test_a_wait_that_asks_somebody_else_is_not_closed_by_a_webhook(
    store: MemoryStore, world: World, runner: Asleep
) -> None:
    build = Build(store, world, audience="ana")
    waiting = await build.begin()
    async with sender(build.ports, runner) as there:
        answer = await send(there, "builds", build.report())
    assert answer.json() == {"ignored": "hook:builds is not asked; ana may answer"}
    assert await store.load("t") == waiting


async def test_of_a_webhook_a_person_and_another_webhook_at_once_the_first_one_counts(
    tmp_path: Path, world: World, runner: Asleep
) -> None:
    store: Any = SqliteStore(tmp_path / "threads.db")
    build = Build(store, world)
    wait = (await build.begin()).state.wait
    assert wait
    done = {"verdict": "done", "text": "by hand"}
    async with sender(build.ports, runner) as there:
        path, ana = f"/threads/t/waits/{wait.seq}", bearer("ana")
        answers = await asyncio.gather(
            send(there, "builds", build.report("msg_1")),
            there.post(path, json=done, headers=ana),
            send(there, "builds", build.report("msg_2", "red")),
        )
    thread = await store.load("t")
    (closed,) = (past for past in thread.events if past.type == "resumed")
    recorded = [answer for answer in answers if answer.json().get("id")]
    assert len(recorded) == 1
    others = [answer.json() for answer in answers if answer not in recorded]
    why = f"already closed: done by {closed.actor}"
    assert all(why in other.values() for other in others)


async def test_what_a_sender_began_comes_back_to_it_signed(
    store: MemoryStore, world: World
) -> None:
    """Both ways through the real loop, with a runner at it."""
    with system() as crm:
        channel = WebhookChannel({"crm": Receiver(crm.url, [KEY])})
        says = Says({"intent": "done", "message": "bye"})
        ports = ports_of(
            store, says, world, channel=Routing({"slack": Shown(), "webhook": channel})
        )
        runner = LocalRunner(ports)
        async with sender(ports, runner) as there:
            thread_id = (await send(there, "crm", SIGNED)).json()["id"]
            await runner.finish(thread_id)
        about = {"thread": thread_id, "conversation": "12", "seq": 3}
        assert crm.told() == [{"type": "finished", **about, "text": "bye"}]


async def test_a_webhook_approves_nothing_whatever_it_says(
    there: Sender, ports: Ports, store: MemoryStore
) -> None:
    """A message over an open approval takes its place; it is no leave."""
    first = (await send(there, "crm", SIGNED)).json()["id"]
    begun = await store.load(first)
    await store.append(begun, chose("charge", amount=500))
    waiting = await advance(ports, await store.load(first))
    assert waiting.state.status == "waiting:approval"
    text = {"ticket": 12, "text": "approve", "verdict": "approve", "actor": "ana"}
    await send(there, "crm", standard(text, "msg_2"))
    assert (await store.load(first)).state.wait is None
    assert "resumed" not in types(await store.load(first))
