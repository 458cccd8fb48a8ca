"""One block of the context window: a tag, and inside it data that cannot leave it."""

import re
from typing import Any

from ..characters import clean
from ..log.events import cut
from .values import render_value, split_lines

MAX_BLOCK = 8_000
"""Characters of one block. A longer list is cut between records, other data anywhere; the block
says how much is missing."""
MAX_LINES = 500

_WIDE = re.compile("[\ufe64\uff1c]")
"""Characters that a model may read as `<`: those that Unicode's NFKC makes one."""


def render_block(tag: str, value: Any, limit: int = MAX_BLOCK) -> str:
    """Render `value` between `<tag>` and `</tag>`; text as it is, everything else as YAML."""
    body = _escape(*(split_lines(value) if isinstance(value, str) else render_value(value, limit)))
    room = limit // 2
    while not isinstance(value, str) and _is_long(body, limit) and room > 100:
        body, room = _escape(*render_value(value, room)), room // 2
    lines = body.split("\n")
    if len(lines) > MAX_LINES:
        half = MAX_LINES // 2
        note = f"[… {len(lines) - 2 * half} lines cut …]"
        body = "\n".join([*lines[:half], note, *lines[-half:]])
    inside = f"\n{cut(body, limit)}".replace("\n", "\n ") if body else ""
    name = re.sub(r"\W", "_", clean(tag))
    return f"<{name}>{inside}\n</{name}>"


def _is_long(body: str, limit: int) -> bool:
    return len(body) > limit or body.count("\n") >= MAX_LINES


def _escape(*lines: str) -> str:
    return _WIDE.sub("&lt;", clean("\n".join(lines)).replace("<", "&lt;"))
