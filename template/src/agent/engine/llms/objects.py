"""Finds the complete JSON objects in a model's reply.

Thinking is left out. Nothing is ever completed, and if an object is not closed or there is a brace
too many, the whole reply is refused: the rest could be part of a value.
"""

import json
import re
from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal
from typing import Any

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
_LITERALS = {"True": "true", "False": "false", "None": "null"}


def find_objects(text: str) -> list[str]:
    """Return the outermost objects in `text`, or all of it if it is JSON itself.

    Raises:
        ValueError: it is not certain where they start and end.
    """
    try:
        _load_strictly(text)
    except ValueError:
        return _skip_thinking(text)
    return [text]


def load_object(span: str, read_float: Callable[[str], float] = float) -> Any:
    """Load one object: JSON, or JSON with trailing commas, comments or Python's spelling.

    Raises:
        ValueError: it is neither, or it has a key twice.
    """
    try:
        return _load_strictly(span, read_float)
    except ValueError:
        if "\\/" in span:  # one character in JSON, two in Python
            raise
        return _load_strictly(_TOKEN.sub(_respell, span), read_float)


def read_exactly(text: str) -> float:
    """Return a number, if it has no more digits than are kept. Raises ValueError."""
    number = float(text)
    with suppress(ArithmeticError):  # of exponents that no decimal has
        if Decimal(repr(number)) == Decimal(text):
            return number
    raise ValueError(f"the number {cut(text, 40)} has too many digits; write it as text")


def _load_strictly(text: str, read_float: Callable[[str], float] = float) -> Any:
    try:
        # strict=False: a line break in a string can only mean a line break.
        return json.loads(
            text, strict=False, object_pairs_hook=_build_unique, parse_float=read_float
        )
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _build_unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
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


def _skip_thinking(text: str) -> list[str]:
    found: list[str] = []
    depth = end = 0
    for tag in _THINKING.finditer(text):
        if depth == 0:
            found += _find_closed(text[end : tag.start()])
        if (
            tag["close"] and depth == 0
        ):  # it was opened in the prompt, so all before it was thinking
            found.clear()
        depth = max(depth - 1, 0) if tag["close"] else depth + 1
        end = tag.end()
    if depth:
        raise ValueError("the thinking does not end")
    return found + _find_closed(text[end:])


def _find_closed(text: str) -> list[str]:
    spans: list[str] = []
    depth = start = end = 0
    quote, escaped = "", False
    for place, char in enumerate(text):
        if quote:
            quote = "" if char == quote and not escaped else quote
            escaped = char == "\\" and not escaped
        elif char in "\"'" and depth:
            quote = char
        elif char == "{":
            start = start if depth else place
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
    return spans
