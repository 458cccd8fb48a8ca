"""Finding the JSON objects that stand complete in a model's reply.

What was only thought is left out. Nothing is ever completed, and where an object is left open
or a brace is too many, nothing of the reply counts: the rest could be a piece of some value.
"""

import json
import re
from typing import Any

_WORDS = "think|thinking|thoughts?|reason|reasoning|reflection|analysis|scratchpad"
_THINKING = re.compile(
    rf"(?P<close><\s*/\s*(?:\w+:)?(?:{_WORDS})\s*>|\[/THINK\]|◁/think▷|<\|channel\|>final)"
    rf"|<\s*(?:\w+:)?(?:{_WORDS})\b[^<>]*>|\[THINK\]|◁think▷|<\|channel\|>",
    re.IGNORECASE,
)
# A comment with a quote or a brace in it could as well be the rest of a text.
_COMMENT = r"""//[^\n"'`{}]*+(?=\n) | /\*[^*"'`{}]*+\*/"""
_TOKEN = re.compile(  # possessive: a reply of a million odd characters takes no time either
    rf""" "(?:[^"\\]|\\.)*+" | '(?:[^'\\]|\\.)*+' | (?P<left_out>,(?=(?:\s|{_COMMENT})*+[}}\]])
    | {_COMMENT}) | \b(?:True|False|None)\b | \b[A-Za-z_]\w*+(?=\s*+:) """,
    re.DOTALL | re.VERBOSE,
)
_LITERALS = {"True": "true", "False": "false", "None": "null"}


def objects(text: str) -> list[str]:
    """Return the outermost objects of `text`, or all of it where it is JSON itself.

    Raises:
        ValueError: where they begin and end is not certain.
    """
    try:
        _strict(text)
    except ValueError:
        return _spoken(text)
    return [text]


def load(span: str) -> Any:
    """Read one object: JSON, else JSON but for trailing commas, comments or Python's spelling.

    Raises:
        ValueError: it is neither, or a key stands in it twice.
    """
    try:
        return _strict(span)
    except ValueError:
        if "\\/" in span:  # one character in JSON, two in Python
            raise
        return _strict(_TOKEN.sub(_respelled, span))


def _strict(text: str) -> Any:
    try:
        # strict=False: a line break inside a string can only mean a line break.
        return json.loads(text, strict=False, object_pairs_hook=_unique)
    except RecursionError:
        raise ValueError("it is nested too deep") from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(pairs)) < len(pairs):
        raise ValueError("a key stands in it twice")
    return dict(pairs)


def _respelled(token: re.Match[str]) -> str:
    text = token[0]
    if token["left_out"]:
        return ""
    if text[0] == "'":
        inside = re.sub(r"""\\'|"|\\.""", _requoted, text[1:-1], flags=re.DOTALL)
        return f'"{inside}"'
    if text[0] == '"':
        return text
    return _LITERALS.get(text, f'"{text}"')


def _requoted(character: re.Match[str]) -> str:
    return {"\\'": "'", '"': '\\"'}.get(character[0], character[0])


def _spoken(text: str) -> list[str]:
    found: list[str] = []
    depth = end = 0
    for tag in _THINKING.finditer(text):
        if depth == 0:
            found += _closed(text[end : tag.start()])
        if tag["close"] and depth == 0:  # opened in the prompt: all so far was thinking
            found.clear()
        depth = max(depth - 1, 0) if tag["close"] else depth + 1
        end = tag.end()
    if depth:
        raise ValueError("its thinking does not end")
    return found + _closed(text[end:])


def _closed(text: str) -> list[str]:
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
            raise ValueError("a closing brace is too many")
        elif char == "}" and depth:
            depth -= 1
            if depth == 0:
                end = place + 1
                spans.append(text[start:end])
    if depth:
        raise ValueError("an object is not closed")
    return spans
