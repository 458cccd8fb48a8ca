"""People use the API in any order, with right and wrong tokens, old keys and old digests.

After each request the logs are read by the reader of the simulation, which shares no code with the
engine's own fold.
"""

import asyncio
import json
from collections import defaultdict
from contextlib import suppress
from functools import cache
from hashlib import sha256
from typing import Any

from fastapi import FastAPI
from httpx2 import ASGITransport, AsyncClient, Response
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from agent.engine.context.window import Prompt
from agent.engine.http.server import create_app
from agent.engine.http.service import Service
from agent.engine.http.tokens import Tokens
from agent.engine.log.errors import AgentError
from agent.engine.log.state import OpenWait
from agent.engine.loop.actions import Tool, Wait
from agent.engine.loop.clock import keep_time
from agent.engine.loop.ports import Reply
from agent.engine.runners.app import App
from agent.engine.stores.memory import MemoryStore

from ..conftest import Clock
from ..domain import Asleep, Says, World, advance, build_ports
from ..examples import scale, st
from ..fuzz.checking import check_stored
from ..simulation.policy import JOBS, LIMITS, PEOPLE, VERDICTS, Directory, make_decide
from ..simulation.ports import DONE, JOB_S, REPLIES, WRONG
from ..simulation.reading import Reading

ADMIN, STRANGER = "dana", "mallory"
"""Who may read and delete everything, and a caller with an unknown token."""
CALLERS = st.sampled_from(("ana", "bob", ADMIN, "ana", "bob", ADMIN, STRANGER))
KEYS = st.sampled_from(("k1", "k2"))
WHICH = st.integers(0, 11)
"""Which thread of those that there are; the last number is of none."""
TEXTS = st.sampled_from(("please go on", "another \0 \ud800 text"))


class Town(Directory):
    def is_admin(self, person: str) -> bool:
        return person == ADMIN


def make_token(name: str) -> str:
    return sha256(name.encode()).hexdigest()


@cache
def build_api() -> FastAPI:
    """Build the routes once; each example brings a service of its own."""
    names = ",".join(f"{name}:{make_token(name)}" for name in PEOPLE)
    ports = build_ports(MemoryStore(), Says(), World(":memory:"))
    return create_app(App(ports, Asleep()), Tokens.parse(names))


def find_tool(name: str) -> Tool:
    def run(step: Any, _: Any) -> Any:
        if step.model_dump().get("value") == "a job":
            return Wait("a job", JOB_S, "job", (JOBS, "owner"))
        return f"{name} is done"

    return run


class Api(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.Runner()
        self.clock = Clock()
        self.store = MemoryStore(self.clock, self.clock.uptime)
        self.replies: list[Any] = []
        self.ports = build_ports(
            self.store, self.think, World(":memory:"), directory=Town(),
            decide=make_decide(find_tool), limits=LIMITS, responsible=("heads",),
        )  # fmt: skip
        self.api = build_api()
        service: Service = self.api.state.service
        self.api.state.service = Service(App(self.ports, Asleep()), service.sign_in)
        self.api.state.service.closing.set()  # streams end where they would wait for more
        self.readings = defaultdict[str, Reading](Reading)
        self.gone = set[str]()
        self.said = defaultdict[str, set[str]](set)
        """The secrets that were sent to each thread."""
        self.seen: list[tuple[str, OpenWait]] = []

    def teardown(self) -> None:
        self.loop.close()

    async def think(self, prompt: Prompt, schema: dict[str, Any]) -> Reply:
        reply = self.replies.pop(0) if self.replies else DONE
        if isinstance(reply, Exception):
            raise reply
        return Reply(json.dumps({"next_step": reply}), {"input": 10, "output": 5}, model="says")

    # What is true of every answer

    def ask(self, name: str, method: str, path: str, body: Any = None, **how: Any) -> Response:
        """Make a request; `how` has the parts of its path, and `key` and `query`."""
        self.clock.tick(1)
        headers = {"Authorization": f"Bearer {make_token(name)}"}
        headers |= {"Content-Type": "application/json"}
        headers |= {"Idempotency-Key": how["key"]} if "key" in how else {}

        async def call() -> Response:
            transport = ASGITransport(self.api)
            async with AsyncClient(transport=transport, base_url="http://agent") as client:
                given: dict[str, Any] = {"headers": headers, "params": how.get("query")}
                given |= {"content": json.dumps(body)} if body is not None else {}
                return await client.request(method, path.format(**how), **given)

        answer = self.loop.run(call())
        documented = self.api.openapi()["paths"][path][method.lower()]["responses"]
        assert str(answer.status_code) in documented, answer.text
        assert answer.status_code < 500, answer.text
        assert (answer.status_code == 401) == (name == STRANGER)
        self.check_secrets(name, answer.text, how.get("thread_id", ""))
        return answer

    def check_secrets(self, name: str, text: str, asked: str) -> None:
        """Check that an answer has nothing of a thread that this person may not read."""
        for thread_id, secrets in self.said.items():
            if not self.may_read(name, thread_id):
                assert not [each for each in secrets if each in text]
                assert thread_id == asked or thread_id not in text

    def may_read(self, name: str, thread_id: str) -> bool:
        """Say, from the log alone, whether somebody took part in a thread or was asked in it."""
        events = self.readings[thread_id].log
        asked = {each for event in events for each in event.data.get("audience", ())}
        return name == ADMIN or name in asked | {event.actor for event in events}

    def find(self, which: int) -> str:
        return "no-thread" if which == 11 else [*self.readings][which % len(self.readings)]

    def look(self, name: str, thread_id: str) -> dict[str, Any] | None:
        """Read a thread; None if there is none for this person."""
        answer = self.ask(name, "GET", "/threads/{thread_id}", thread_id=thread_id)
        if answer.status_code == 200:
            assert self.may_read(name, thread_id)
            assert thread_id not in self.gone
            found: dict[str, Any] = answer.json()
            return found
        if name != STRANGER:
            known = thread_id in self.readings and self.may_read(name, thread_id)
            assert not known or thread_id in self.gone
            gone = name == ADMIN and thread_id in self.gone
            assert answer.status_code == (410 if gone else 404)
        return None

    @invariant()
    def every_log_keeps_its_promises(self) -> None:
        now = self.loop.run(self.store.now())
        for thread_id in self.loop.run(self.store.ids()):
            assert thread_id not in self.gone
            thread = self.loop.run(self.store.load(thread_id))
            reading = self.readings[thread_id]
            assert thread.events[: len(reading.log)] == tuple(reading.log)
            for event in thread.events[len(reading.log) :]:
                assert [*reading.read(event, now)] == []
            check_stored(thread)

    # What people do

    @initialize(reply=st.sampled_from(REPLIES))
    def begin(self, reply: Any) -> None:
        self.start("ana", "k1", "please go on", named=False)
        self.start("bob", "k1", "please go on", named=True)
        self.run(0, [reply])

    @rule(name=CALLERS, key=KEYS, text=TEXTS, named=st.booleans())
    def start(self, name: str, key: str, text: str, named: bool) -> None:
        where = {"conversation": "ticket"} if named else {}
        secret = f"secret {name} {key} {named}"
        body = {"text": f"{text}: {secret}", **where}
        answer = self.ask(name, "POST", "/threads", body, key=key)
        self.see_message(name, key, answer, body["text"], secret)

    @rule(name=CALLERS, which=WHICH, key=KEYS, text=TEXTS)
    def write(self, name: str, which: int, key: str, text: str) -> None:
        thread_id, path = self.find(which), "/threads/{thread_id}/messages"
        secret = f"secret {name} {key} {thread_id}"
        body = {"text": f"{text}: {secret}"}
        answer = self.ask(name, "POST", path, body, key=key, thread_id=thread_id)
        self.see_message(name, key, answer, body["text"], secret)

    def see_message(self, name: str, key: str, answer: Response, text: str, secret: str) -> None:
        """Check that what was answered with 202 is in the log, once and as it was sent."""
        if answer.status_code != 202:
            return
        thread_id = answer.json()["id"]
        self.every_log_keeps_its_promises()
        log = self.readings[thread_id].log
        (said,) = [event for event in log if event.key == f"in:http:{name}:{key}"]
        assert (said.seq, said.actor) == (answer.json()["seq"], name)
        assert said.data["text"] == text.replace("\0", "\ufffd").replace("\ud800", "\ufffd")
        self.said[thread_id].add(secret)

    @rule(name=CALLERS, which=WHICH, after=st.integers(0, 9))
    def read(self, name: str, which: int, after: int) -> None:
        thread_id = self.find(which)
        if self.look(name, thread_id) is None:
            return
        query = {"after": after}
        path = "/threads/{thread_id}"
        shown = self.ask(name, "GET", path, thread_id=thread_id, query=query).json()["events"]
        assert [each["seq"] for each in shown] == [
            event.seq for event in self.readings[thread_id].log[after:]
        ]

    @rule(name=CALLERS, which=WHICH, after=st.integers(0, 9))
    def follow(self, name: str, which: int, after: int) -> None:
        thread_id, path = self.find(which), "/threads/{thread_id}/events"
        answer = self.ask(name, "GET", path, thread_id=thread_id, query={"after": after})
        if answer.status_code == 200:
            assert self.may_read(name, thread_id)
            seqs = [line[4:] for line in answer.text.splitlines() if line.startswith("id: ")]
            log = self.readings[thread_id].log
            assert seqs == [str(event.seq) for event in log[after:]]

    @rule(name=CALLERS, status=st.sampled_from(("", "waiting", "running", "finished")))
    def list_threads(self, name: str, status: str) -> None:
        answer = self.ask(name, "GET", "/threads", query={"status": status})
        if answer.status_code == 200:
            found = {each["id"] for each in answer.json()}
            readable = {each for each in self.readings if self.may_read(name, each)} - self.gone
            assert found == readable if not status else found <= readable

    @rule(name=CALLERS, mine=st.booleans())
    def list_waits(self, name: str, mine: bool) -> None:
        answer = self.ask(name, "GET", "/waits", query={"mine": mine})
        if answer.status_code == 200:
            for each in answer.json():
                open_ = self.readings[each["thread"]].wait
                assert open_
                assert each["wait"] == open_.seq
                assert not mine or {name, "anyone"} & {*open_.data["audience"]}

    @rule(
        name=CALLERS,
        which=WHICH,
        verdict=st.sampled_from(sorted(set().union(*VERDICTS.values()))),
        digest=st.sampled_from(("right", "stale", "")),
        standing=st.booleans(),
    )
    def answer(self, name: str, which: int, verdict: str, digest: str, standing: bool) -> None:
        """Answer a wait that was seen, perhaps long ago."""
        if not self.seen:
            return
        thread_id, wait = self.seen[-1 - which % len(self.seen)]
        digests = {"right": wait.data.get("digest", ""), "stale": "0" * 32, "": ""}
        body: dict[str, Any] = {"verdict": verdict, "digest": digests[digest], "text": "so"}
        body |= {"standing": True} if standing else {}
        body |= {"call": wait.data["call"]} if verdict == "edit" and "call" in wait.data else {}
        path = "/threads/{thread_id}/waits/{wait}"
        answer = self.ask(name, "POST", path, body, thread_id=thread_id, wait=wait.seq)
        if answer.status_code != 202:
            return
        log = self.loop.run(self.store.load(thread_id)).events
        (given,) = [event for event in log if event.key == f"answer:{wait.seq}"]
        assert (given.actor, given.data["verdict"]) == (name, verdict)
        assert verdict != "approve" or digest == "right"

    @rule(name=CALLERS, which=WHICH, amount=st.sampled_from((5, 300, 900, "many")))
    def preview(self, name: str, which: int, amount: Any) -> None:
        if self.seen:
            thread_id, wait = self.seen[-1 - which % len(self.seen)]
            path = "/threads/{thread_id}/waits/{wait}/preview"
            how = {"thread_id": thread_id, "wait": wait.seq}
            self.ask(name, "POST", path, {"call": {"amount": amount}}, **how)

    @rule(name=CALLERS, which=WHICH)
    def cancel(self, name: str, which: int) -> None:
        self.ask(name, "POST", "/threads/{thread_id}/cancel", thread_id=self.find(which))

    @rule(name=st.sampled_from((ADMIN, ADMIN, "ana", STRANGER)), which=WHICH)
    def delete(self, name: str, which: int) -> None:
        thread_id = self.find(which)
        answer = self.ask(name, "DELETE", "/threads/{thread_id}", thread_id=thread_id)
        if answer.status_code == 204:
            assert name == ADMIN
            assert self.readings[thread_id].ended
            self.gone.add(thread_id)

    @rule(name=CALLERS, which=WHICH, step=st.integers(1, 12))
    def rate(self, name: str, which: int, step: int) -> None:
        path, how = "/threads/{thread_id}/steps/{step}/rating", {"thread_id": self.find(which)}
        self.ask(name, "POST", path, {"rating": "good"}, step=step, **how)

    @rule(name=CALLERS, which=WHICH, approval=st.integers(1, 12))
    def revoke(self, name: str, which: int, approval: int) -> None:
        path = "/threads/{thread_id}/approvals/{approval}/revoke"
        self.ask(name, "POST", path, thread_id=self.find(which), approval=approval)

    # What the agent does

    @rule(which=WHICH, replies=st.lists(st.sampled_from([*REPLIES, *WRONG]), max_size=4))
    def run(self, which: int, replies: list[Any]) -> None:
        self.replies = replies

        async def go_on() -> None:
            with suppress(AgentError):
                thread = await advance(self.ports, await self.store.load(self.find(which)))
                self.seen += [(thread.id, thread.state.wait)] if thread.state.wait else []

        self.loop.run(go_on())

    @rule(which=WHICH, seconds=st.sampled_from((5.0, 30.0, 600.0)))
    def wait(self, which: int, seconds: float) -> None:
        self.clock.tick(seconds)

        async def keep() -> None:
            with suppress(AgentError):
                await keep_time(self.ports, await self.store.load(self.find(which)))

        self.loop.run(keep())


def test_whatever_people_do_the_api_keeps_every_promise() -> None:
    run_state_machine_as_test(Api, settings=scale(8, steps=40))
