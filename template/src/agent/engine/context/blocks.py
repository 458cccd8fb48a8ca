"""One block of the context window: a tag, and inside it compact YAML that cannot leave it."""

import re
from typing import Any

from ..characters import clean
from ..log.events import as_json, cut

MAX_BLOCK = 8_000
"""Characters of one block; longer data is cut visibly."""
MAX_LINES = 500

_PLAIN = re.compile(r"[\w.-]+")
_WIDE = re.compile("[\ufe64\uff1c]")
"""Characters that a model may read as `<`: those that Unicode's NFKC makes one."""


def render_block(tag: str, value: Any, limit: int = MAX_BLOCK) -> str:
    """Render `value` between `<tag>` and `</tag>`; text as it is, everything else as YAML."""
    lines = _split_lines(value) if isinstance(value, str) else _render_yaml(value)
    if len(lines) > MAX_LINES:
        half = MAX_LINES // 2
        note = f"[… {len(lines) - 2 * half} lines cut …]"
        lines = [*lines[:half], note, *lines[-half:]]
    text = _WIDE.sub("&lt;", clean("\n".join(lines)).replace("<", "&lt;"))
    body = cut(text, limit).replace("\n", "\n    ")
    name = re.sub(r"\W", "_", clean(tag))
    return f"<{name}>\n    {body}\n</{name}>"


def _render_yaml(value: Any) -> list[str]:
    match value:
        case dict() if value:
            return [
                line
                for name, item in value.items()
                for line in _render_entry(_quote_name(name), item)
            ]
        case list() | tuple() if value:
            return [line for item in value for line in _indent("- ", _render_yaml(item))]
    return [as_json(value)]


def _render_entry(name: str, item: Any) -> list[str]:
    match item:
        case str() if "\n" in item:
            return [f"{name}: |", *_indent("  ", _split_lines(item))]
        case dict() | list() | tuple() if item:
            return [f"{name}:", *_indent("  ", _render_yaml(item))]
    return [f"{name}: {as_json(item)}"]


def _indent(first: str, lines: list[str]) -> list[str]:
    return [(first if place == 0 else "  ") + line for place, line in enumerate(lines)]


def _split_lines(text: str) -> list[str]:
    return clean(text).split("\n")


def _quote_name(name: str) -> str:
    return name if _PLAIN.fullmatch(name) else as_json(name)
