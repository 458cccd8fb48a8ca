"""Compares a call with an expected one: by its intent and by those arguments that matter.

An argument that is left out may be anything. The others are equal, or as `{"in": [values]}` or
`{"matches": "a regular expression"}` says.
"""

import json
import re
from collections.abc import Iterable
from typing import Any

from ..log.events import CallJson


def check_readable(expected: CallJson) -> CallJson:
    """Return an expected call. Raises LookupError without an intent, re.error for a wrong one."""
    for wanted in (expected["intent"], *expected.values()):
        _fits("", wanted)
    return expected


def find_difference(call: CallJson, expected: CallJson) -> str:
    """Return which argument is not as expected, "" if all are."""
    for name, wanted in expected.items():
        if not _fits(call.get(name), wanted):
            return f"{name} is not {json.dumps(wanted)}"
    return ""


def find_differences(call: CallJson, expected: Iterable[CallJson]) -> str:
    """Return why a call is none of those that are expected, "" if it is one of them."""
    misses = [find_difference(call, each) for each in expected]
    return "" if "" in misses or not misses else f"{' / '.join(misses)}: {json.dumps(call)}"


def _fits(value: Any, wanted: Any) -> bool:
    match wanted:
        case {"in": [*values]}:
            return value in values
        case {"matches": str(pattern)}:
            return bool(re.search(pattern, value if isinstance(value, str) else json.dumps(value)))
    return bool(value == wanted)
