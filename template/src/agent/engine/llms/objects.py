"""Finds the complete JSON objects in a model's reply.

Thinking is left out. Nothing is ever completed, and if an object is not closed or there is a brace
too many, the whole reply is refused: the rest could be part of a value.
"""

import json
import re
from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal
from typing import Any, NamedTuple

from ..log.events import cut

_WORDS = "think|thinking|thoughts?|reason|reasoning|reflection|analysis|scratchpad"
_THINKING = re.compile(
    rf"(?P<close><\s*/\s*(?:\w+:)?(?:{_WORDS})\s*>|\[/THINK\]|◁/think▷|<\|channel\|>final)"
    rf"|<\s*(?:\w+:)?(?:{_WORDS})\b[^<>]*>|\[THINK\]|◁think▷|<\|channel\|>",
    re.IGNORECASE,
)
# A comment with a quote or a brace in it could also be the rest of a text.
_COMMENT = r"""//[^\n"'`{}]*+(?=\n) | /\*[^*"'`{}]*+\*/"""
_TOKEN = re.compile(  # possessive, so that a million odd characters take linear time
    rf""" "(?:[^"\\]|\\.)*+" | '(?:[^'\\]|\\.)*+' | (?P<left_out>,(?=(?:\s|{_COMMENT})*+[}}\]])
    | {_COMMENT}) | \b(?:True|False|None)\b | \b[A-Za-z_]\w*+(?=\s*+:) """,
    re.DOTALL | re.VERBOSE,
)
_MARKUP = re.compile(r"```[ \t]*\w*|`|</?[\w:]+>|<\|[^<|>]*\|>|[\s\[\]{},;\ufeff]")
"""What may stand around an object that is not prose."""
_LITERALS = {"True": "true", "False": "false", "None": "null"}


class Found(NamedTuple):
    objects: list[str]
    """The outermost ones, in order; all of the text if it is JSON itself."""
    in_prose: bool
    """Words stand around them, other than thinking, fences and tags."""


def find_objects(text: str) -> Found:
    """Find the objects in a reply.

    Raises:
        ValueError: it is not certain where they start and end.
    """
    try:
        load_strictly(text)
    except ValueError:
        objects, outside = _skip_thinking(text)
        return Found(objects, bool(_MARKUP.sub("", outside)))
    return Found([text], False)


def load_object(span: str, read_float: Callable[[str], float] = float) -> Any:
    """Load one object: JSON, or JSON with trailing commas, comments or Python's spelling.

    Raises:
        ValueError: it is neither, or it has a key twice.
    """
    try:
        return load_strictly(span, read_float)
    except ValueError:
        if "\\/" in span:  # one character in JSON, two in Python
            raise
        return load_strictly(_TOKEN.sub(_respell, span), read_float)


def read_exactly(text: str) -> float:
    """Return a number, if it has no more digits than are kept. Raises ValueError."""
    number = float(text)
    with suppress(ArithmeticError):  # of exponents that no decimal has
        if Decimal(repr(number)) == Decimal(text):
            return number
    raise ValueError(f"the number {cut(text, 40)} has too many digits; write it as text")


def load_strictly(text: str, read_float: Callable[[str], float] = float) -> Any:
    try:
        # strict=False: a line break in a string can only mean a line break.
        return json.loads(
            text, strict=False, object_pairs_hook=build_unique, parse_float=read_float
        )
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def build_unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(pairs)) < len(pairs):
        raise ValueError("it has a key twice")
    return dict(pairs)


def _respell(token: re.Match[str]) -> str:
    text = token[0]
    if token["left_out"]:
        return ""
    if text[0] == "'":
        inside = re.sub(r"""\\'|"|\\.""", _requote, text[1:-1], flags=re.DOTALL)
        return f'"{inside}"'
    if text[0] == '"':
        return text
    return _LITERALS.get(text, f'"{text}"')


def _requote(character: re.Match[str]) -> str:
    return {"\\'": "'", '"': '\\"'}.get(character[0], character[0])


def _skip_thinking(text: str) -> tuple[list[str], str]:
    """Return the objects outside of thinking, and what else stands there."""
    found: list[str] = []
    outside = ""
    depth = end = 0
    for tag in _THINKING.finditer(text):
        if depth == 0:
            spans, rest = _find_closed(text[end : tag.start()])
            found, outside = found + spans, outside + rest
        if tag["close"] and depth == 0:  # opened in the prompt, so all before it was thinking
            found, outside = [], ""
        depth = max(depth - 1, 0) if tag["close"] else depth + 1
        end = tag.end()
    if depth:
        raise ValueError("the thinking does not end")
    spans, rest = _find_closed(text[end:])
    return found + spans, outside + rest


def _find_closed(text: str) -> tuple[list[str], str]:
    """Return the objects that are closed, and the text around them."""
    spans: list[str] = []
    outside = ""
    depth = start = end = 0
    quote, escaped = "", False
    for place, char in enumerate(text):
        if quote:
            quote = "" if char == quote and not escaped else quote
            escaped = char == "\\" and not escaped
        elif char in "\"'" and depth:
            quote = char
        elif char == "{":
            if depth == 0:
                start, outside = place, outside + text[end:place]
            depth += 1
        elif char == "}" and depth == 0 and text[end:place].strip("} \t\r\n"):
            raise ValueError("there is a closing brace too many")
        elif char == "}" and depth:
            depth -= 1
            if depth == 0:
                end = place + 1
                spans.append(text[start:end])
    if depth:
        raise ValueError("an object is not closed")
    return spans, outside + text[end:]
