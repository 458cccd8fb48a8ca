"""Reads a thread event by event, and says which promise an event breaks.

It knows the invariants of AGENTS.md and nothing of the engine's own fold, so a mistake in one of
the two is a difference between them.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from agent.engine.log.events import Event

from .policy import LIMITS, PEOPLE, VERDICTS, find_approvers, find_audience

DECISIONS = {"step", "invalid_step", "tool_started", "paused", "finished", "compacted"}
STARTS = 3
"""Of a call that may be repeated, without a person's word."""
Broken = Iterator[str]


class Reading:
    """What a checker remembers of the events so far."""

    def __init__(self) -> None:
        self.log: list[Event] = []
        self.forked = 0
        """The event with which a copy begins to go its own way; 0 for an original."""
        self.owner = ""
        self.ended = True
        self.wait: Event | None = None
        self.step = 0
        """The open step; 0 for none."""
        self.call: dict[str, Any] = {}
        self.approvals: set[str] = set()
        """Who approved the open step, or said to run it again."""
        self.escalated = False
        self.starts: list[Event] = []
        """Of the open step."""
        self.runs: dict[int, dict[str, Any]] = {}
        """The call of each start."""
        self._tried = 0
        """How many of these were made since a person last said to run it."""
        self._keys = set[str]()
        self._used = set[str]()
        """Idempotency keys of calls whose outcome is certain."""
        self._standing: dict[int, tuple[dict[str, Any], str]] = {}
        self._steps = self._errors = self._tokens = 0

    def read(self, event: Event, latest: datetime) -> Broken:
        """Read the next event; `latest` is the latest time that the clock has shown."""
        self._latest = latest.isoformat()
        if event.seq != len(self.log) + 1:
            yield f"event {event.seq} follows event {len(self.log)}"
        if event.key and event.key in self._keys:
            yield f"the key {event.key!r} is there twice"
        if event.type in DECISIONS:
            yield from self._check_decision(event)
        self.log.append(event)
        self._keys |= {event.key} if event.key else set()
        read = getattr(self, f"_read_{event.type}", None)
        yield from read(event, event.data) if read else ()
        self._tokens += event.tokens.get("input", 0) + event.tokens.get("output", 0)

    def _check_decision(self, event: Event) -> Broken:
        replaces = "job" in event.data and self.wait and self.wait.data["kind"] == "in_doubt"
        if self.wait and not replaces:
            yield f"{event.type} while the wait {self.wait.seq} is open"
        if self.ended:
            yield f"{event.type} in a thread that has ended"
        if event.type in ("step", "invalid_step"):
            counts = {"steps": self._steps, "errors": self._errors, "tokens": self._tokens}
            for name, count in counts.items():
                if count >= getattr(LIMITS, name):
                    yield f"a model was asked although {count} {name} were used up"

    def _read_message(self, event: Event, data: dict[str, Any]) -> Broken:
        yield from ()
        self.owner = self.owner or event.actor
        if self.wait:
            kind, audience = self.wait.data["kind"], self.wait.data["audience"]
            strange = kind == "question" and not {event.actor, "anyone"} & {*audience}
            if not strange and kind not in ("job", "in_doubt"):
                self._drop()
        elif self.step and not self._tried and not self.approvals:
            self._close()
        self._count_anew(event)
        self.ended = False

    def _read_step(self, event: Event, data: dict[str, Any]) -> Broken:
        if self.step:
            yield f"a step while the step {self.step} is open"
        self._close()
        self.step, self.call = event.seq, data["call"]
        self._steps += 1

    def _read_invalid_step(self, event: Event, data: dict[str, Any]) -> Broken:
        yield from ()
        self._steps += 1
        self._errors += 1

    def _read_tool_started(self, event: Event, data: dict[str, Any]) -> Broken:
        key = data["idempotency_key"]
        if data["step"] != self.step:
            yield f"the step {data['step']} is started, and {self.step or 'none'} is open"
        if self.starts and self.call["intent"] == "charge" and self._tried:
            yield "a call that may run once is started again, and nobody said so"
        if self._tried >= STARTS:
            yield f"a call is started for the {self._tried + 1}th time, and nobody said so"
        if key in self._used:
            yield "a new call has the idempotency key of one that is done"
        if self.starts and self.starts[-1].data["idempotency_key"] != key:
            yield "a call has another idempotency key when it is started again"
        if not self._is_approved():
            yield f"{self.call} is started, and nobody approved it who may"
        self.starts.append(event)
        self.runs[event.seq] = self.call
        self._tried += 1

    def _is_approved(self) -> bool:
        may = find_approvers(self.call, self.owner, self.escalated)
        standing = {by for call, by in self._standing.values() if call == self.call}
        return not may or bool(may & (self.approvals | standing))

    def _read_tool_finished(self, event: Event, data: dict[str, Any]) -> Broken:
        yield from self._check_result(event)
        if data["step"] == self.step and not data.get("late"):
            self._settle()
            self._errors = 0

    def _read_tool_failed(self, event: Event, data: dict[str, Any]) -> Broken:
        yield from self._check_result(event) if "start" in data else ()
        if data["step"] == self.step and not data.get("late"):
            self._settle() if data["definite"] else self._close()
            self._errors += 1

    def _check_result(self, event: Event) -> Broken:
        start = self.log[event.data["start"] - 1]
        if not event.data["start"]:
            if event.type == "tool_finished" or self._tried < STARTS:
                yield "a call is given up that may be started again"
        elif start.type != "tool_started" or start.data["step"] != event.data["step"]:
            yield f"a result of the start {start.seq}, which is a {start.type}"

    def _read_paused(self, event: Event, data: dict[str, Any]) -> Broken:
        asked = set(data["audience"])
        if asked != (meant := find_audience(data, self.owner, self.escalated)):
            yield f"{sorted(asked)} are asked and not {sorted(meant)}"
        if "call" in data and data["call"] != self.call:
            yield f"people are asked about {data['call']}, and the call is {self.call}"
        self.wait = event

    def _read_reminded(self, event: Event, data: dict[str, Any]) -> Broken:
        if not self.wait or self.wait.seq != data["wait"]:
            yield f"a reminder of {data['wait']}, which is not open"
        elif not self._is_due(self.wait, "remind_at"):
            yield "a reminder before its time"

    def _read_resumed(self, event: Event, data: dict[str, Any]) -> Broken:
        if not self.wait or self.wait.seq != data["wait"]:
            yield f"an answer to {data['wait']}, and {self.wait and self.wait.seq} is open"
            return
        wait, verdict = self.wait.data, data["verdict"]
        if event.actor == "system":
            yield from self._check_clock(self.wait, event)
        elif not {event.actor, "anyone"} & {*wait["audience"]}:
            yield f"{event.actor} answers, and {wait['audience']} are asked"
        if event.actor != "system" and verdict not in VERDICTS[wait["kind"]]:
            yield f"{verdict!r} is no answer to a {wait['kind']}"
        self._count_anew(event)
        self._apply(event, wait, verdict)

    def _check_clock(self, wait: Event, event: Event) -> Broken:
        if by := event.data.get("released_by"):
            if by not in wait.data["audience"] or event.data["verdict"] != "continue":
                yield f"{by} continued another thread, and may not continue this one"
        elif not self._is_due(wait, "expires_at"):
            yield "a wait ends before its time"

    def _apply(self, event: Event, wait: dict[str, Any], verdict: str) -> None:
        if "standing" in event.data:
            self._standing[event.seq] = (wait["call"], event.actor)
        match verdict:
            case "approve" | "edit" | "retry":
                self.call = event.data.get("call", self.call)
                self.approvals |= {event.actor}
                self._tried = 0
                self.wait = None
            case "expired" if "escalate" in wait:
                self.escalated, self.wait = True, None
            case "continue":
                self.wait = None
            case "happened" | "done":
                self._settle()
            case "stop":
                self._end()
            case _:
                self._close()

    def _read_revoked(self, event: Event, data: dict[str, Any]) -> Broken:
        if not self._standing.pop(data["approval"], None):
            yield f"{data['approval']} is revoked, and is no standing approval"

    def _read_delivered(self, event: Event, data: dict[str, Any]) -> Broken:
        if data["ref"] >= event.seq:
            yield f"event {data['ref']} was delivered before it happened"

    def _read_compacted(self, event: Event, data: dict[str, Any]) -> Broken:
        if self.step:
            yield f"a summary while the step {self.step} is open"
        upto = data["upto"]
        if not 0 < upto < event.seq or not data["text"]:
            yield f"a summary of the events up to {upto}"
        elif self.log[upto].type not in ("step", "invalid_step", "compacted"):
            yield f"a summary that splits a step at event {upto}"

    def _read_forked(self, event: Event, data: dict[str, Any]) -> Broken:
        if self.step:
            yield f"a copy with the open step {self.step}"
        self.forked, self.owner, self._standing = event.seq, event.actor, {}

    def _read_cancelled(self, event: Event, data: dict[str, Any]) -> Broken:
        yield from ()
        self._end()

    def _read_finished(self, event: Event, data: dict[str, Any]) -> Broken:
        if self.call.get("intent") != "done" or not self.step:
            yield "the thread ended, and the model did not say so"
        self._close()
        self.ended, self._standing = True, {}

    def _end(self) -> None:
        self._drop()
        self.ended, self._standing = True, {}

    def _drop(self) -> None:
        """Close the wait, and the step unless its tool runs and may still report."""
        if self._tried and not (self.wait and "job" in self.wait.data):
            self.wait, self.escalated = None, False
        else:
            self._close()

    def _settle(self) -> None:
        if self.starts:
            self._used.add(self.starts[-1].data["idempotency_key"])
        self._close()

    def _close(self) -> None:
        self.step, self.call, self.wait, self.escalated = 0, {}, None, False
        self.starts, self.approvals, self._tried = [], set(), 0

    def _count_anew(self, event: Event) -> None:
        if event.actor in PEOPLE:
            self._steps = self._errors = self._tokens = 0

    def _is_due(self, wait: Event, name: str) -> bool:
        at = wait.data.get(name)
        return at is not None and at <= self._latest
