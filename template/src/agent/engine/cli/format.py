"""How ids, times and commands look in a terminal."""

import os
from datetime import datetime


def shorten_id(thread_id: str) -> str:
    """Return as much of an id as people type; commands take any unique beginning."""
    return thread_id[:8]


def format_command(*words: str) -> str:
    """Return a command of this program as it was started, to be copied."""
    return " ".join(["uv run agent" if "UV" in os.environ else "agent", *words])


def format_time(at: datetime, now: datetime) -> str:
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
