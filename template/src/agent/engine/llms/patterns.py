"""Makes one text that a regular expression matches, for simple ones."""

import re
from contextlib import suppress
from re import _parser  # type: ignore[attr-defined]  # there is no public one
from string import printable
from typing import Any

_CATEGORIES = {
    "CATEGORY_DIGIT": r"\d",
    "CATEGORY_NOT_DIGIT": r"\D",
    "CATEGORY_SPACE": r"\s",
    "CATEGORY_NOT_SPACE": r"\S",
    "CATEGORY_WORD": r"\w",
    "CATEGORY_NOT_WORD": r"\W",
}


def make_match(pattern: str) -> str | None:
    """Return a text in which `pattern` is found, or None where the pattern is too difficult."""
    with suppress(re.error, ValueError, LookupError, RecursionError):
        text = _make_all(_parser.parse(pattern))
        return text if re.search(pattern, text) else None
    return None


def _make_all(parsed: Any) -> str:
    return "".join([_make(op.name, value) for op, value in parsed])


def _make(op: str, value: Any) -> str:
    match op:
        case "LITERAL":
            return chr(int(value))
        case "NOT_LITERAL":
            return "b" if value == ord("a") else "a"
        case "ANY":
            return "a"
        case "IN":
            return _choose(value)
        case "SUBPATTERN":
            return _make_all(value[-1])
        case "BRANCH":
            return _make_all(value[1][0])
        case "MAX_REPEAT" | "MIN_REPEAT" | "POSSESSIVE_REPEAT":
            least, most, inner = value
            return _make_all(inner) * max(int(least), min(1, int(most)))
        case "AT" | "ASSERT" | "ASSERT_NOT":
            return ""
    raise ValueError(f"{op} is too difficult")


def _choose(options: Any) -> str:
    """Return a character of a class such as `[a-z0-9]`."""
    starts = [value[0] if op.name == "RANGE" else value for op, value in options]
    usual: list[str] = ["a", "1", *printable, *(chr(one) for one in starts if isinstance(one, int))]
    negated = options[0][0].name == "NEGATE"
    inside = options[1:] if negated else options
    for char in usual:
        if any(_is_in(char, op.name, value) for op, value in inside) is not negated:
            return char
    raise ValueError("no usual character fits")


def _is_in(char: str, op: str, value: Any) -> bool:
    match op:
        case "LITERAL":
            return ord(char) == int(value)
        case "RANGE":
            return bool(value[0] <= ord(char) <= value[1])
        case "CATEGORY":
            return re.fullmatch(_CATEGORIES[value.name], char) is not None
    raise ValueError(f"{op} is too difficult")
