"""The people of soak.py: each sends an order, follows its thread, answers, and begins again.

A person retries until the server says that something is recorded, and from then on counts on it.
"""

import json
import random
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from typing import Any
from uuid import uuid4

from soak_world import World

TOKEN = "a0b1c2d3e4f5a6b7c8d90e1f2a3b4c5d"  # noqa: S105 # of a server that is gone in the end
PAUSE_S = 1.0
"""Between two orders of one person, on average."""
RETRY_S = 0.2
LOOK_S = 1.0
"""How long a person waits before looking at what a killed process did."""
SILENCE_S = 40.0
"""Longer than the server is ever silent in a stream."""
SENT_TWICE = 0.1
"""How many orders are sent a second time with the same key, though they were recorded."""
OUTAGES = (OSError, HTTPException, ValueError)


@dataclass
class Tally:
    """What the people saw. They are threads of one process, so each change is under the lock."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    open: dict[str, float] = field(default_factory=dict)
    """When a thread was recorded that has not finished yet."""
    finished: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    request_s: list[float] = field(default_factory=list)
    """How long each request took that succeeded."""
    thread_s: list[float] = field(default_factory=list)
    """From the first 202 to `finished`, with all kills and answers."""

    def take_times(self) -> tuple[list[float], list[float]]:
        """Return the times since the last call."""
        with self.lock:
            taken = self.request_s, self.thread_s
            self.request_s, self.thread_s = [], []
        return taken


@dataclass
class Person:
    port: int
    world: World
    tally: Tally
    stopping: threading.Event

    def live(self) -> None:
        """Order one thing after the other until it is time to stop; then finish the last."""
        while not self.stopping.wait(random.expovariate(1 / PAUSE_S)):
            try:
                self._follow(self._order())
            except AssertionError as error:
                self._note(self.tally.lost, str(error))

    def _order(self) -> str:
        """Send an order until it is recorded; return its thread."""
        key, body = str(uuid4()), {"text": "a lamp, please"}
        recorded = self._send("/threads", body, key)
        thread = str(recorded["id"])
        with self.tally.lock:
            self.tally.open[thread] = time.monotonic()
        again = random.random() < SENT_TWICE  # noqa: S311
        if again and self._send("/threads", body, key) != recorded:
            self._note(self.tally.doubled, f"{thread}: an order that was sent twice")
        return thread

    def _follow(self, thread: str) -> None:
        """Read the events of a thread until it finishes, and answer what it asks."""
        seen, types = 0, []
        while "finished" not in types:
            try:
                for event in self._stream(thread, seen):
                    if event["seq"] != seen + 1:
                        listed = self.tally.lost if event["seq"] > seen else self.tally.doubled
                        self._note(listed, f"{thread}: event {event['seq']} came after {seen}")
                    seen = event["seq"]
                    types.append(event["type"])
                    if event["type"] == "finished":
                        break
                    if event["type"] == "paused":
                        self._answer(thread, seen, event["data"])
            except OUTAGES:
                pass
            if "finished" not in types:
                time.sleep(RETRY_S)
        for once in ("message", "finished"):
            if types.count(once) != 1:
                self._note(self.tally.doubled, f"{thread}: {types.count(once)} times {once}")
        with self.tally.lock:
            self.tally.thread_s.append(time.monotonic() - self.tally.open.pop(thread))
            self.tally.finished.append(thread)

    def _stream(self, thread: str, seen: int) -> Iterator[dict[str, Any]]:
        with closing(self._connect()) as connection:
            headers = {"Authorization": f"Bearer {TOKEN}", "Last-Event-ID": str(seen)}
            connection.request("GET", f"/threads/{thread}/events", headers=headers)
            answer = connection.getresponse()
            assert answer.status != 404, f"{thread}: it was recorded, and is not there"
            if answer.status != 200:
                raise HTTPException(str(answer.status))
            for line in iter(answer.readline, b""):
                name, _, said = line.decode().partition(": ")
                if name == "data" and "seq" in (event := json.loads(said)):
                    yield event

    def _answer(self, thread: str, wait: int, asked: dict[str, Any]) -> None:
        verdict = {"approval": "approve", "question": "answer", "limit": "continue"}
        given = {"verdict": verdict.get(asked["kind"], ""), "digest": asked.get("digest") or ""}
        if asked["kind"] == "question":
            given["text"] = "blue"
        if asked["kind"] == "in_doubt":
            time.sleep(LOOK_S)
            given["verdict"] = "happened" if self.world.has(asked["idempotency_key"]) else "retry"
        self._send(f"/threads/{thread}/waits/{wait}", given)

    def _send(self, path: str, body: dict[str, Any], key: str = "") -> dict[str, Any]:
        """Send a request until it is recorded; a wait may have been closed before (409)."""
        headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
        headers |= {"Idempotency-Key": key} if key else {}
        while True:
            start = time.monotonic()
            try:
                with closing(self._connect()) as connection:
                    connection.request("POST", path, json.dumps(body), headers)
                    answer = connection.getresponse()
                    said = answer.read()
                if answer.status == 202 or (answer.status == 409 and not key):
                    with self.tally.lock:
                        self.tally.request_s.append(time.monotonic() - start)
                    return json.loads(said)
                assert answer.status >= 500, f"{path} {body}: {answer.status} {said!r}"
            except OUTAGES:
                pass
            time.sleep(RETRY_S)

    def _connect(self) -> HTTPConnection:
        return HTTPConnection("127.0.0.1", self.port, timeout=SILENCE_S)

    def _note(self, listed: list[str], what: str) -> None:
        with self.tally.lock:
            listed.append(what)
