"""Templates that are filled from a payload, such as `{issue.user.login}`, and filters for payloads.

A path consists of names in objects and places in lists, which count from 0 (`{commits.0.message}`).
`{}` is the whole payload, `{{` and `}}` are braces. Paths only read JSON: there are no attributes,
formats or calls.
"""

import json
import re
from collections.abc import Iterator
from string import Formatter
from typing import Any

_PATH = re.compile(r"([^\s.\[\]]+(\.[^\s.\[\]]+)*)?")


def check_template(text: str) -> str:
    """Return a template whose every path is valid. Raises ValueError."""
    for _, path in _parse_template(text):
        if path is not None and not _PATH.fullmatch(path):
            raise ValueError(f"{{{path}}} is not a path such as {{issue.number}}")
    return text


def fill_template(text: str, payload: Any, *, names: bool = False) -> str:
    """Fill a template from a payload.

    With `names` the result is to name something: null, an empty text or an object then counts as
    missing, so that two things never share a name.

    Raises:
        LookupError: the path that is missing in the payload.
    """
    filled = ""
    for literal, path in _parse_template(text):
        filled += literal
        if path is not None:
            filled += _format_value(_read_path(payload, path), path, names)
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


def _parse_template(text: str) -> Iterator[tuple[str, str | None]]:
    for literal, path, form, conversion in Formatter().parse(text):
        if form or conversion:
            raise ValueError(
                f"{{{path}}} has a format or a conversion; only a path may stand there"
            )
        yield literal, path


def _read_path(payload: Any, path: str) -> Any:
    for name in filter(None, path.split(".")):
        match payload:
            case dict() if name in payload:
                payload = payload[name]
            case list() if name.isdecimal() and int(name) < len(payload):
                payload = payload[int(name)]
            case _:
                raise LookupError(path)
    return payload


def _format_value(found: Any, path: str, names: bool) -> str:
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
