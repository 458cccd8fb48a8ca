"""Factor 5: unify execution state and business state.

One append-only list of events is all there is to know about a thread. Facts are true
whatever else was happening; decisions are valid for the one version they were taken on.
"""

import hashlib
import json
import math
import re
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from ..costs import compute_cost

CallJson = dict[str, Any]
"""One step as JSON: `{"intent": …, arguments …}`."""

FACTS = frozenset(
    "message resumed reminded revoked tool_finished tool_failed delivered cancelled forked "
    "discarded rated consulted".split()
)
DECISIONS = frozenset("step invalid_step tool_started paused finished compacted".split())

MAX_TEXT = 100_000
MAX_DEPTH = 40
MAX_BITS = 1024
"""Of a whole number; Python refuses to write much longer ones in decimal."""
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")
as_json = json.JSONEncoder(ensure_ascii=False).encode
_as_canonical = json.JSONEncoder(sort_keys=True, separators=(",", ":")).encode


@dataclass(frozen=True, slots=True)
class Event:
    type: str
    data: dict[str, Any]
    actor: str = "agent"
    """Who did it, as the trigger authenticated them; never read from a payload."""
    key: str | None = None
    """At most one event of a thread has it."""
    seq: int = 0
    """Its place in the thread from 1, given by the store; the only order there is."""
    at: datetime | None = None
    """The store's clock, for people; never used for logic."""

    @property
    def tokens(self) -> dict[str, int]:
        """What asking the model for it cost; see `ports.Reply`. Empty where it was not asked."""
        counts = self.data.get("tokens")
        if not isinstance(counts, dict):
            return {}
        return {name: count for name, count in counts.items() if isinstance(count, int)}

    @property
    def cost(self) -> float:
        """The cost of these tokens by the price that was recorded with them; 0.0 without one."""
        return compute_cost(self.tokens, self.data.get("price"))

    @property
    def spent(self) -> tuple[int, float]:
        """Tokens and cost that count to the limits: those of a reply, or of a whole child thread,
        which ended with it."""
        match self.data.get("spent"):
            case {"tokens": int(tokens), "cost": int(cost) | float(cost)}:
                return tokens, float(cost)
        counts = self.tokens
        return counts.get("input", 0) + counts.get("output", 0), self.cost


def make_event(
    event_type: str, actor: str = "agent", key: str | None = None, /, **data: Any
) -> Event:
    """Make an event not yet stored, its data made safe JSON of any length."""
    safe = {name: make_safe(item) for name, item in data.items()}
    return Event(event_type, safe, make_safe(actor), make_safe(key))


def cap_event(event: Event) -> Event:
    """Return an event whose data fits into the log: what is too long is cut, with a note."""
    if len(as_json(event.data)) <= MAX_TEXT:
        return event
    small = {name: _shorten(_cut_texts(item)) for name, item in event.data.items()}
    return replace(event, data=small)


def make_safe(value: Any, depth: int = 0) -> Any:
    """Return `value` as JSON that every store keeps alike.

    NUL and lone surrogates become U+FFFD, NaN and infinities become text, and what is nested too
    deep is cut with a note that says so.
    """
    match value:
        case str():
            return _UNSTORABLE.sub("\ufffd", value)
        case float() if not math.isfinite(value):
            return str(value)
        case dict() | list() | tuple() if depth == MAX_DEPTH:
            return "[cut: nested too deep]"
        case dict():
            return {
                make_safe(str(name)): make_safe(item, depth + 1) for name, item in value.items()
            }
        case list() | tuple():
            return [make_safe(item, depth + 1) for item in value]
        case int() if value.bit_length() > MAX_BITS:
            return f"{value:#x}"
        case None | bool() | int() | float():
            return value
    return make_safe(str(value))


def _cut_texts(value: Any) -> Any:
    match value:
        case str():
            return cut(value, MAX_TEXT)
        case list():
            return [_cut_texts(item) for item in value]
        case dict():
            return {cut(name, MAX_TEXT): _cut_texts(item) for name, item in value.items()}
    return value


def _shorten(value: Any) -> Any:
    if len(text := _to_text(value)) <= 2 * MAX_TEXT:
        return value
    if not isinstance(value, dict):
        return cut(text, MAX_TEXT)
    entries = {name: cut(_to_text(item), MAX_TEXT // 10) for name, item in value.items()}
    return entries if len(_to_text(entries)) <= 2 * MAX_TEXT else {"cut": cut(text, MAX_TEXT)}


def _to_text(value: Any) -> str:
    return value if isinstance(value, str) else as_json(value)


def cut(text: str, limit: int) -> str:
    """Keep the first and last part of `text` and say how much is missing, all within `limit`."""
    if len(text) <= limit:
        return text
    half = (limit - 40) // 2
    return f"{text[:half]}\n[… {len(text) - 2 * half} characters cut …]\n{text[-half:]}"


def compute_digest(call: CallJson, scope: CallJson | None = None) -> str:
    """Fingerprint exactly this call, and the scope that may be approved with it, if any."""
    content = {"call": call, "scope": scope} if scope else call
    return hashlib.sha256(_as_canonical(content).encode()).hexdigest()[:32]
