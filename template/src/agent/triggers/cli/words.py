"""Data as words for a person. Nothing in it can steer a terminal: what one would obey is
spelled out instead, so that an approval shows exactly what will run.
"""

import json
import os
import re
from datetime import datetime
from typing import Any

from ...events import Call, cut
from ...ports import Summary
from ...state import OpenWait
from ...thread import Thread

_LONGEST = 2_000
"""Characters of one argument; `show --json` has the rest."""

_UNPRINTABLE = re.compile(r"[^\n\u200c\u200d]")


def clean(text: str) -> str:
    r"""Spell out escape sequences, control and bidi characters: `\x1b`; keep lines and joiners."""
    text = text.replace("\r\n", "\n").replace("\t", "    ")
    return text if text.isprintable() else _UNPRINTABLE.sub(_spelled, text)


def _spelled(found: re.Match[str]) -> str:
    char = found[0]
    if char.isprintable():
        return char
    return " " if char.isspace() and char > "\x9f" else char.encode("unicode_escape").decode()


def line(text: str, limit: int = 300) -> str:
    """Return `text` on one line, what is too long cut at its end."""
    flat = " ".join(text.split())
    return flat if len(flat) <= limit else f"{flat[: limit - 1]}…"


def value(data: Any, limit: int = _LONGEST) -> str:
    return cut(data if isinstance(data, str) else json.dumps(data, ensure_ascii=False), limit)


def arguments(call: Call) -> list[str]:
    """Return one line an argument, its value as JSON: exact, and quoted."""
    return [
        f"{name}: {cut(json.dumps(item, ensure_ascii=False), _LONGEST)}"
        for name, item in call.items()
        if name != "intent"
    ]


def call_line(call: Call) -> str:
    inner = ", ".join(part.replace(": ", "=", 1) for part in arguments(call))
    return line(f"{call['intent']}({inner})")


def when(at: datetime, now: datetime) -> str:
    """Return a time as people say it: near ones by distance, others by the local clock."""
    seconds = (now - at).total_seconds()
    distance, ago = abs(seconds), "{} ago" if seconds >= 0 else "in {}"
    if distance < 10 and seconds >= 0:
        return "just now"
    if distance < 60:
        return ago.format(f"{distance:.0f} s")
    if distance < 3600:
        return ago.format(f"{distance // 60:.0f} min")
    local = at.astimezone()
    today = local.date() == now.astimezone().date()
    return f"{local:%H:%M}" if today else f"{local:%Y-%m-%d %H:%M}"


def people(audience: tuple[str, ...], actor: str) -> str:
    return " or ".join("you" if name == actor else line(name) for name in audience)


def status(row: Summary) -> str:
    if row.status == "running" and not row.running:
        return "nobody runs it"
    kind = row.status.removeprefix("waiting:").replace("_", " ")
    return f"waits: {kind}" if row.status.startswith("waiting:") else row.status


def short(thread_id: str) -> str:
    """Return as much of an id as people type; commands take any unique beginning."""
    return thread_id[:8]


def command(*words: str) -> str:
    """Return a command of this program as it was started, to be copied."""
    return " ".join(["uv run agent" if "UV" in os.environ else "agent", *words])


def description(wait: OpenWait, actor: str, now: datetime) -> list[str]:
    """Return what a person must know to answer: a headline, then what it is about."""
    options = wait.data.get("options", {})
    label = wait.kind.replace("_", " ").capitalize()
    urgency = options.get("urgency", "medium")
    marks = [f"for {people(wait.audience, actor)}"]
    marks += [f"{urgency} urgency"] if urgency != "medium" else []
    marks += [f"until {when(wait.expires_at, now)}"] if wait.expires_at else []
    shown = [f"{label} ({', '.join(marks)}): {line(wait.text, _LONGEST)}"]
    shown += [f"  {part}" for part in arguments(wait.data.get("call", {}))]
    choices = options.get("choices", ())
    return shown + [f"  {place}. {line(text)}" for place, text in enumerate(choices, 1)]


def ways(thread: Thread, wait: OpenWait) -> list[str]:
    """Return the exact commands that answer a wait."""
    name = f"{short(thread.id)}:{wait.seq}"
    match wait.kind:
        case "approval":
            first = next((field for field in wait.data["call"] if field != "intent"), "name")
            return [
                command("approve", name),
                command("reject", name, "'REASON'"),
                command("edit", name, "--set", f"{first}=VALUE"),
            ]
        case "question":
            return [command("answer", name, "'TEXT'")]
        case "limit":
            return [command("answer", name, verdict) for verdict in ("continue", "stop")]
        case "in_doubt":
            return [command("answer", name, verdict) for verdict in ("happened", "retry", "abort")]
    return [command("answer", name, "done")]
