"""What stands in a payload: `{issue.user.login}` in a text, and whether it is one that is meant.

Paths go by the names in objects and the places in lists, from 0 (`{commits.0.message}`). `{}` is
the whole payload, `{{` and `}}` are braces. They read JSON: no attribute, no format, no call.
"""

import json
import re
from collections.abc import Iterator
from string import Formatter
from typing import Any

_PATH = re.compile(r"([^\s.\[\]]+(\.[^\s.\[\]]+)*)?")


def template(text: str) -> str:
    """Return a text whose every path can be read. Raises ValueError."""
    for _, path in _pieces(text):
        if path is not None and not _PATH.fullmatch(path):
            raise ValueError(f"{{{path}}} is no path such as {{issue.number}}")
    return text


def fill(text: str, payload: Any, *, names: bool = False) -> str:
    """Put what the payload has into a text.

    With `names` the text is to name something: null, an empty text or an object then counts as
    not there, so that two things never share a name.

    Raises:
        LookupError: its text is the path that is not there.
    """
    filled = ""
    for literal, path in _pieces(text):
        filled += literal
        if path is not None:
            filled += _written(_at(payload, path), path, names)
    return filled


def fits(wanted: Any, found: Any) -> bool:
    """Say whether a payload has at least what is wanted; of a list, one of its items."""
    match wanted:
        case dict():
            inside = found if isinstance(found, dict) else {}
            return all(name in inside and fits(each, inside[name]) for name, each in wanted.items())
        case list():
            return any(fits(each, found) for each in wanted)
    return isinstance(wanted, bool) == isinstance(found, bool) and bool(wanted == found)


def _pieces(text: str) -> Iterator[tuple[str, str | None]]:
    for literal, path, form, conversion in Formatter().parse(text):
        if form or conversion:
            raise ValueError(f"{{{path}}} is written with a form; only a path may stand there")
        yield literal, path


def _at(payload: Any, path: str) -> Any:
    for name in filter(None, path.split(".")):
        match payload:
            case dict() if name in payload:
                payload = payload[name]
            case list() if name.isdecimal() and int(name) < len(payload):
                payload = payload[int(name)]
            case _:
                raise LookupError(path)
    return payload


def _written(found: Any, path: str, names: bool) -> str:
    match found:
        case str() if found.strip() or not names:
            return found
        case int() if not isinstance(found, bool):
            return str(found)
        case _ if names:
            raise LookupError(path)
        case None:
            return ""
    return json.dumps(found, ensure_ascii=False)
