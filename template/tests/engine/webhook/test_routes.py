"""Signed webhooks over HTTP: who gets in, what is recorded, and what each refusal says."""

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

from agent.engine import Call
from agent.engine.http.server import create_app
from agent.engine.http.tokens import Tokens
from agent.engine.log.errors import Misconfigured
from agent.engine.log.thread import Thread
from agent.engine.loop.actions import Finish, Run, Wait
from agent.engine.loop.clock import keep_time
from agent.engine.loop.ports import Ports, Runner
from agent.engine.people.routing import Routing
from agent.engine.runners.app import App
from agent.engine.runners.local import LocalRunner
from agent.engine.stores.memory import MemoryStore
from agent.engine.stores.sqlite import SqliteStore
from agent.engine.webhook import serve
from agent.engine.webhook.channel import Receiver, WebhookChannel
from agent.engine.webhook.routes import MAX_PAYLOAD, verify_delivery

from ..conftest import Clock
from ..domain import (
    Asleep,
    Charge,
    Done,
    Says,
    Shown,
    World,
    advance,
    build_ports,
    list_types,
    make_message,
    make_step,
    store_thread,
)
from ..http.access import list_added
from ..http.conftest import TOKENS, bearer
from .receiver import run_system
from .senders import GITHUB_SECRET, KEY, SECRET, Request, change, sign_github, sign_standard

FILE = """
[github]
scheme = "github"
secret = "GITHUB_WEBHOOK_SECRET"
when = { action = ["opened", "created"] }
conversation = "{repository.full_name}#{issue.number}"
text = ["{comment.body}", "{issue.title}: {issue.body}"]
notify = "slack:C1"

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
SIGNED = sign_standard(TICKET)
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


def open_sender(ports: Ports, runner: Runner) -> Sender:
    tokens = ",".join(f"{name}:{token}" for name, token in TOKENS.items())
    api = create_app(App(ports, runner, [serve]), Tokens.parse(tokens))
    transport = httpx2.ASGITransport(api, raise_app_exceptions=False)
    return Sender(transport=transport, base_url="http://agent")


@pytest.fixture
async def there(ports: Ports, runner: Asleep) -> AsyncIterator[Sender]:
    async with open_sender(ports, runner) as client:
        yield client


async def send(there: Sender, name: str, request: Request) -> httpx2.Response:
    body, headers = request()
    raw = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
    return await there.post(f"/webhooks/{name}", content=body, headers=raw)


# -- what is recorded -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "request_", "text", "reply_to"),
    [
        ("github", sign_github(ISSUE), "It burns: ", "slack:C1"),
        ("github", sign_github(COMMENT), "still", "slack:C1"),
        ("crm", SIGNED, "it is broken", "webhook:crm:12"),
        ("other", SIGNED, "it is broken", "poll:"),
        ("crm", change(SIGNED, content_type=None), "it is broken", "webhook:crm:12"),
        ("crm", change(SIGNED, content_type="application/cloudevents+json"), "it is broken", ""),
    ],
)
async def test_a_signed_payload_becomes_a_message_of_its_source(
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


async def test_characters_that_no_store_keeps_are_replaced(
    tmp_path: Path, world: World, runner: Asleep
) -> None:
    ports = build_ports(SqliteStore(tmp_path / "threads.db"), Says(), world)
    async with open_sender(ports, runner) as there:
        answer = await send(there, "crm", sign_standard({"ticket": "a\ud800", "text": "b\0\udfff"}))
        report = {"reference": "\ud800.s", "status": "ok", "message": ""}
        assert (await send(there, "builds", sign_standard(report))).status_code == 404
    (message,) = (await ports.store.load(answer.json()["id"])).events
    assert message.data["text"] == "b\ufffd\ufffd"
    assert message.data["reply_to"] == "webhook:crm:a\ufffd"


async def test_each_source_has_its_own_conversations(there: Sender, store: MemoryStore) -> None:
    sent = [
        ("github", sign_github(ISSUE)),
        ("github", sign_github(COMMENT)),
        ("crm", SIGNED),
        ("crm", sign_standard(TICKET, "msg_2")),
        ("other", SIGNED),
        ("crm", sign_standard(TICKET | {"ticket": 13}, "msg_3")),
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
        (
            "crm",
            SIGNED,
            sign_standard(TICKET, "msg_1", age_s=60),
        ),  # as a sender does that tries again
        ("github", sign_github(ISSUE), sign_github(ISSUE)),
        (
            "github",
            sign_github(ISSUE),
            sign_github(ISSUE, "d2"),
        ),  # the id is not signed, so anybody could change it
    ],
)
async def test_a_delivery_sent_many_times_is_one_message(
    tmp_path: Path, world: World, runner: Asleep, name: str, first: Request, again: Request
) -> None:
    ports = build_ports(SqliteStore(tmp_path / "threads.db"), Says(), world)
    async with open_sender(ports, runner) as there:
        answers = await asyncio.gather(*(send(there, name, first) for _ in range(8)))
        answers.append(await send(there, name, again))
    assert [answer.status_code for answer in answers] == [202] * 9
    assert len({str(answer.json()) for answer in answers}) == 1
    assert list_types(await ports.store.load(answers[0].json()["id"])) == ["message"]


@pytest.mark.parametrize(
    ("name", "request_"),
    [
        ("github", sign_github(ISSUE | {"action": "closed"})),
        ("github", sign_github({"action": "opened"}, event="ping")),
    ],
)
async def test_an_unwanted_payload_is_ignored(
    there: Sender, runner: Asleep, store: MemoryStore, name: str, request_: Request
) -> None:
    answer = await send(there, name, request_)
    assert answer.status_code == 202
    assert list(answer.json()) == ["ignored"]
    assert await store.threads() == []
    assert runner.woken == []


# -- who is refused -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "request_", "why"),
    [
        ("crm", change(SIGNED, webhook_id=None), "missing required headers"),
        ("crm", change(SIGNED, webhook_timestamp=None), "missing required headers"),
        ("crm", change(SIGNED, webhook_signature=None), "missing required headers"),
        ("crm", change(SIGNED, webhook_id="msg_2"), "no matching signature"),
        ("crm", change(SIGNED, webhook_timestamp="1"), "too old"),
        ("crm", change(SIGNED, webhook_timestamp="nan"), "invalid signature headers"),
        ("crm", change(SIGNED, webhook_timestamp="soon"), "invalid signature headers"),
        ("crm", change(SIGNED, webhook_signature="v1"), "cannot be read"),
        ("crm", change(SIGNED, webhook_signature="v1,%%%"), ""),
        ("crm", change(SIGNED, webhook_signature="v2,xx"), "no matching signature"),
        ("crm", change(SIGNED, webhook_signature="v1,\u00fc"), ""),
        ("crm", change(SIGNED, SIGNED()[0] + b" "), "no matching signature"),
        ("crm", change(SIGNED, b"\xff"), "cannot be read"),
        ("crm", change(SIGNED, b""), "no matching signature"),
        ("crm", sign_standard(TICKET, age_s=301), "too old"),
        ("crm", sign_standard(TICKET, age_s=-330), "too new"),
        ("crm", sign_standard(TICKET, key=NEW_KEY), "no matching signature"),
        ("crm", sign_github(TICKET), "missing required headers"),
        (
            "github",
            change(sign_github(ISSUE), x_hub_signature_256=None),
            "missing required headers",
        ),
        (
            "github",
            change(sign_github(ISSUE), x_hub_signature_256="sha256=00"),
            "no matching signature",
        ),
        (
            "github",
            change(sign_github(ISSUE), x_hub_signature_256="\u00fc"),
            "no matching signature",
        ),
        ("github", change(sign_github(ISSUE), sign_github(COMMENT)()[0]), "no matching signature"),
        ("github", sign_github(ISSUE, secret="It's no Secret"), "no matching signature"),
        ("github", sign_github({}, secret="It's no Secret", event="ping"), "no matching signature"),
        ("github", sign_standard(ISSUE), "missing required headers"),
        ("builds", sign_standard({"reference": "x"}, key=NEW_KEY), "no matching signature"),
    ],
)
async def test_a_request_without_a_valid_signature_is_refused(
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
        ("nobody", SIGNED, 404, "no such webhook"),
        ("", SIGNED, 404, ""),
        ("crm/12", SIGNED, 404, ""),
        ("CRM", SIGNED, 404, "no such webhook"),
        ("github", change(sign_github(b"a=1"), content_type="application/x-www-form-urlencoded"),
         415, "application/json"),
        ("crm", change(SIGNED, content_type="multipart/form-data; boundary=x"), 415, "a form"),
        ("crm", sign_standard(b" " * (MAX_PAYLOAD + 1)), 413, "bytes"),
        ("crm", change(SIGNED, content_length="-1"), 413, "bytes"),
        ("crm", sign_standard(b"{"), 400, "not JSON"),
        ("crm", sign_standard(b""), 400, "not JSON"),
        ("crm", sign_standard(DEEP), 400, "not JSON"),
        ("crm", sign_standard(b'{"ticket": ' + b"9" * 5000 + b"}"), 400, "not JSON"),
        ("github", sign_github(b"\xff"), 400, "not JSON"),
        ("crm", sign_standard([TICKET]), 400, "not a JSON object"),
        ("crm", sign_standard(TICKET, "m" * 256), 400, "webhook-id"),
        ("crm", sign_standard({"text": "hello"}), 422, "The payload has no 'ticket'"),
        ("crm", sign_standard({"ticket": None, "text": "hello"}), 422, "has no 'ticket'"),
        ("crm", sign_standard({"ticket": "x" * 256, "text": "hello"}), 422, "at most 255"),
        ("crm", sign_standard({"ticket": 12}), 422, "The payload has no 'text'"),
        ("crm", sign_standard({"ticket": 12, "text": " \n"}), 422, "The text is empty"),
        ("github", sign_github({"action": "opened"}), 422,
         "no 'comment.body' and no 'issue.title'"),
        ("builds", sign_standard({"reference": "nobody.s", "status": "ok", "message": ""}), 404,
         ""),
    ],
)  # fmt: skip
async def test_a_request_that_cannot_be_used_is_refused_with_the_reason(
    there: Sender, runner: Asleep, store: MemoryStore, name: str, request_: Request, status: int,
    why: str,
) -> None:  # fmt: skip
    answer = await send(there, name, request_)
    assert answer.status_code == status, answer.text
    assert why in answer.json()["detail"]
    assert not any(other in answer.text for other in ("builds", "GITHUB_WEBHOOK_SECRET"))
    assert await store.threads() == []
    assert runner.woken == []


async def test_a_push_with_many_commits_is_taken(there: Sender) -> None:
    push = {**COMMENT, "commits": [{"message": "x" * 1_000}] * 3_000}
    assert (await send(there, "github", sign_github(push))).status_code == 202


async def test_an_endless_body_is_read_up_to_the_limit(there: Sender) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while True:
            sent += 1
            yield b" " * 100_000

    answer = await there.post("/webhooks/crm", content=endless(), headers=SIGNED()[1])
    assert answer.status_code == 413
    assert sent * 100_000 <= MAX_PAYLOAD + 200_000


async def test_a_get_does_nothing(there: Sender) -> None:
    assert (await there.get("/webhooks/crm")).status_code == 405


async def test_the_routes_are_not_part_of_the_described_api(there: Sender) -> None:
    assert "/webhooks" not in (await there.get("/openapi.json")).text


# -- settings -----------------------------------------------------------------------------


async def test_both_secrets_are_valid_while_one_replaces_the_other(
    ports: Ports, runner: Asleep, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_WEBHOOK_SECRET", f"{GITHUB_SECRET}, 0123456789abcdef")
    async with open_sender(ports, runner) as there:
        for secret in (GITHUB_SECRET, "0123456789abcdef"):
            assert (
                await send(there, "github", sign_github(ISSUE, secret=secret))
            ).status_code == 202
        refused = await send(there, "github", sign_github(ISSUE, secret="0123456789abcdeX"))
        assert refused.status_code == 401


def test_the_shell_script_of_the_page_signs_correctly() -> None:
    """The key is easily mistaken: it is not the text of the secret."""
    if not shutil.which("openssl"):
        pytest.skip("openssl is not installed")
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
    assert verify_delivery("standard", [KEY], headers, body.encode()) == "build-7"


def test_without_sources_webhooks_are_off_and_the_log_says_how_to_turn_them_on(
    ports: Ports, runner: Asleep, file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file.unlink()
    with caplog.at_level(logging.WARNING):
        assert serve(App(ports, runner)) is None
    how = f"To turn them on, add a table to {str(file)!r} (see docs/webhook.md)."
    assert caplog.messages == [f"Webhooks are off. {how}"]


@pytest.mark.parametrize(
    ("notify", "problem"),
    [
        ("fax:1", "fax:1' needs 'fax', which is not set up here (poll, slack): set it up, add the"),
        ("slack: ", "slack: ' has no address; write channel:address"),
        ("slack:C1", ""),
        ("poll:", ""),
        ("", ""),
    ],
)
def test_a_notify_address_that_reaches_nobody_stops_the_start(
    notify: str, problem: str, store: MemoryStore, world: World, runner: Asleep, file: Path
) -> None:
    file.write_text(FILE.replace("slack:C1", notify), "utf-8")
    notifier = Routing({"poll": Shown(), "slack": Shown()})
    app = App(build_ports(store, Says(), world, notifier=notifier), runner)
    if problem:
        with pytest.raises(Misconfigured) as refused:
            serve(app)
        assert f"{str(file)!r}, github.notify = '{problem}" in str(refused.value)
    else:
        assert serve(app)


@pytest.fixture
def second(file: Path) -> None:
    """Give the source `github` to the agent `second`."""
    file.write_text(FILE.replace('notify = "slack:C1"', 'agent = "second"'), "utf-8")


async def test_a_source_may_be_for_another_agent(
    store: MemoryStore, world: World, runner: Asleep, second: None
) -> None:
    ports = build_ports(store, Says(), world, also=("second",))
    async with open_sender(ports, runner) as there:
        answer = await send(there, "github", sign_github(ISSUE))
    assert (await store.load(answer.json()["id"])).state.agent == "second"


def test_a_source_for_an_agent_that_is_not_in_app_py_stops_the_start(
    ports: Ports, runner: Asleep, second: None
) -> None:
    with pytest.raises(Misconfigured, match=r"github\.agent: app\.py has no agent 'second'"):
        serve(App(ports, runner))


def test_a_source_without_its_secret_stops_the_start(
    ports: Ports, runner: Asleep, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GITHUB_WEBHOOK_SECRET")
    with pytest.raises(Misconfigured, match="GITHUB_WEBHOOK_SECRET is not set"):
        serve(App(ports, runner))


# -- reports -----------------------------------------------------------------------------------


class Build:
    """An agent whose tool starts a job and waits for it."""

    def __init__(self, store: MemoryStore, world: World, audience: str = "anyone") -> None:
        self.keys: list[str] = []
        self.meanwhile: Any = None
        self.llm = Says({"intent": "done", "message": "bye"})
        wait = Wait("building", seconds=60, kind="job", audience=(audience,))

        async def build(step: Charge, call: Call) -> Wait:
            self.keys.append(call.key)
            if self.meanwhile:
                await self.meanwhile()
            return wait

        def decide(step: Any, thread: Thread) -> Any:
            match step:
                case Charge():
                    return Run(build, effect="idempotent")
                case Done():
                    return Finish(step.message)

        self.ports = build_ports(store, self.llm, world, decide=decide)

    async def start(self) -> Thread:
        started = await store_thread(
            self.ports.store, make_message(), make_step("charge", amount=5)
        )
        return await advance(self.ports, started)

    def report(self, message_id: str = "msg_1", status: str = "green") -> Request:
        report = {"reference": self.keys[0], "status": status, "message": "12 tests"}
        return sign_standard(report, message_id)


async def test_a_report_becomes_the_result_of_the_waiting_tool(
    store: MemoryStore, world: World, runner: Asleep
) -> None:
    build = Build(store, world)
    await build.start()
    async with open_sender(build.ports, runner) as there:
        answer = await send(there, "builds", build.report())
        assert (answer.status_code, answer.json()) == (202, {"id": "t", "seq": 6})
        assert runner.woken == ["t"]
        again = await send(there, "builds", build.report())
        assert (again.status_code, again.json()) == (202, {"id": "t", "seq": 6})
        other = await send(there, "builds", build.report("msg_2", "red"))
        assert other.json() == {"ignored": "already closed: done by hook:builds"}
    ended = await advance(build.ports, await store.load("t"))
    assert list_types(ended)[3:] == [
        "paused",
        "delivered",
        "resumed",
        "step",
        "finished",
        "delivered",
    ]
    assert ended.event(6).actor == "hook:builds"
    assert 'response: "green: 12 tests"' in build.llm.prompts[0].blocks[-1]
    assert len(build.keys) == 1


async def test_a_report_before_the_tool_has_returned_is_answered_with_503(
    store: MemoryStore, world: World, runner: Asleep
) -> None:
    build = Build(store, world)
    async with open_sender(build.ports, runner) as there:

        async def report_too_early() -> None:
            answer = await send(there, "builds", build.report())
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")

        build.meanwhile = report_too_early
        await build.start()
        assert (await send(there, "builds", build.report())).json()["id"] == "t"


async def test_a_report_that_comes_too_late_is_ignored_with_the_reason(
    store: MemoryStore, world: World, runner: Asleep, clock: Clock
) -> None:
    build = Build(store, world)
    await build.start()
    clock.tick(61)
    async with open_sender(build.ports, runner) as there:
        answer = await send(there, "builds", build.report())
        assert answer.json() == {"ignored": "already closed: expired by system"}
        assert answer.status_code == 202
    assert list_types(await keep_time(build.ports, await store.load("t")))[-1] == "resumed"
    assert (await store.load("t")).events[-1].data["verdict"] == "expired"


async def test_a_webhook_cannot_close_a_wait_for_somebody_else(
    store: MemoryStore, world: World, runner: Asleep
) -> None:
    build = Build(store, world, audience="ana")
    waiting = await build.start()
    async with open_sender(build.ports, runner) as there:
        answer = await send(there, "builds", build.report())
    assert answer.json() == {"ignored": "hook:builds is not asked; ana may answer"}
    assert await store.load("t") == waiting


async def test_of_several_reports_at_once_the_first_counts(
    tmp_path: Path, world: World, runner: Asleep
) -> None:
    store: Any = SqliteStore(tmp_path / "threads.db")
    build = Build(store, world)
    wait = (await build.start()).state.wait
    assert wait
    done = {"verdict": "done", "text": "by hand"}
    async with open_sender(build.ports, runner) as there:
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


async def test_the_result_of_a_webhook_goes_back_to_its_sender_signed(
    store: MemoryStore, world: World
) -> None:
    """Both ways go through the real loop and a runner."""
    with run_system() as crm:
        channel = WebhookChannel({"crm": Receiver("crm", crm.url, [KEY])})
        says = Says({"intent": "done", "message": "bye"})
        ports = build_ports(
            store, says, world, notifier=Routing({"slack": Shown(), "webhook": channel})
        )
        runner = LocalRunner(ports)
        async with open_sender(ports, runner) as there:
            thread_id = (await send(there, "crm", SIGNED)).json()["id"]
            await runner.finish(thread_id)
        about = {"thread": thread_id, "conversation": "12", "seq": 3}
        assert crm.read_bodies() == [{"type": "finished", **about, "text": "bye"}]


async def test_a_webhook_never_approves(there: Sender, ports: Ports, store: MemoryStore) -> None:
    """A message supersedes an open approval; it does not approve."""
    first = (await send(there, "crm", SIGNED)).json()["id"]
    started = await store.load(first)
    await store.append(started, make_step("charge", amount=500))
    waiting = await advance(ports, await store.load(first))
    assert waiting.state.status == "waiting:approval"
    text = {"ticket": 12, "text": "approve", "verdict": "approve", "actor": "ana"}
    await send(there, "crm", sign_standard(text, "msg_2"))
    assert (await store.load(first)).state.wait is None
    assert "resumed" not in list_types(await store.load(first))


def test_every_route_is_known_here(ports: Ports, runner: Asleep) -> None:
    """A new one needs a test of who may use it."""
    api = create_app(App(ports, runner, [serve]), Tokens.parse(f"ana:{TOKENS['ana']}"))
    assert list_added(api) == {("POST", "/webhooks/{name}")}
