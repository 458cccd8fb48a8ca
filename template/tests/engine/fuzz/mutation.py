"""Draws damaged and hostile versions of small real samples.

Hypothesis draws every change, so a failure shrinks to the few changes that it takes.
"""

import json
import tomllib
from collections.abc import Callable, Iterator, Sequence
from math import inf, nan
from pathlib import Path
from typing import Any

from ..examples import st

MAX_CHANGES = 5
DEEP = 2_000
"""Nested deeper than the interpreter's own stack."""
MOST_LEVELS = 60
"""Of values that a sample is nested in, each time."""
LONG = "x" * 9_000
HUGE = 10**400
"""Too large for a float."""

PIECES = (
    b"", b"\0", b"\xff", b"\xed\xa0\x80", b"\\ud800", b"\\u0000", b"\r\n", b"\n\n", b" ", b'"',
    b"'", b"%", b"%00", b"%ff", b"&", b"=", b";", b",", b":", b"<", b">", b"<|>", b"/", b"[", b"]",
    b"{", b"}", b"-1", b"0", b"1e999", b"NaN", b"null", b"9" * 5_000, b"[" * DEEP,
    b'{"a":' * DEEP, LONG.encode(), "\u202e\ufeff\u2028\u0661".encode(), b"*0*=", b"=?-utf-8?b?",
)  # fmt: skip
VALUES: tuple[Any, ...] = (
    None, True, 0, -1, 1.5, 2**53 + 1, 2**70, HUGE, inf, nan, "", " ", "0", "\0", "\ud800",
    "\u202e", "<|>", "{", LONG, [], {}, [[]], [None], {"": {}}, {"\ud800": 1},
)  # fmt: skip

Change = Callable[[Any], Any]


def read_samples(folder: Path, pattern: str) -> list[bytes]:
    """Return the files of a corpus whose names match."""
    found = [path.read_bytes() for path in sorted(folder.glob(pattern))]
    assert found, f"{folder} has no {pattern}"
    return found


@st.composite
def mutate(draw: st.DrawFn, samples: Sequence[bytes]) -> bytes:
    """Draw a sample of which some bytes are replaced, repeated, flipped or left out."""
    content = draw(st.sampled_from(samples))
    for kind, at, length, piece in draw(st.lists(_EDITS, max_size=MAX_CHANGES)):
        start = at % (len(content) + 1)
        before, inside, after = _cut(content, start, start + length)
        match kind:
            case "replace":
                content = before + piece + after
            case "flip":
                content = before + bytes(byte ^ (1 << at % 8) for byte in inside[:1]) + after
            case "repeat":
                content = before + inside * 20 + after
            case "end":
                content = before
            case "splice":
                other = samples[at % len(samples)]
                content = before + other[at % (len(other) + 1) :] + after
    return content


_KINDS = ("replace", "flip", "repeat", "end", "splice")
_EDITS = st.tuples(
    st.sampled_from(_KINDS), st.integers(0, 5_000), st.integers(0, 40), st.sampled_from(PIECES)
)


def _cut(content: bytes, start: int, end: int) -> tuple[bytes, bytes, bytes]:
    return content[:start], content[start:end], content[end:]


@st.composite
def mutate_value(draw: st.DrawFn, samples: Sequence[Any]) -> Any:
    """Draw a sample of JSON of which some values are replaced, left out or nested."""
    value = json.loads(json.dumps(draw(st.sampled_from(samples))))
    for kind, at, other in draw(st.lists(_TURNS, max_size=MAX_CHANGES)):
        places = [*_list_places(value)]
        if not places:
            break
        holder, name = places[at % len(places)]
        match kind:
            case "replace":
                holder[name] = other
            case "remove":
                del holder[name]
            case "nest":
                holder[name] = _nest(holder[name], at)
            case "copy":
                from_holder, from_name = places[at // 7 % len(places)]
                holder[name] = json.loads(json.dumps(from_holder[from_name]))
    return value


_TURNS = st.tuples(
    st.sampled_from(("replace", "remove", "nest", "copy")),
    st.integers(0, 5_000),
    st.sampled_from(VALUES).map(lambda value: json.loads(json.dumps(value))),
)


def _list_places(value: Any) -> Iterator[tuple[Any, Any]]:
    """List where each value inside of another is: what holds it, and its name or number."""
    within = value.items() if isinstance(value, dict) else enumerate(value)
    for name, item in list(within):
        yield value, name
        if isinstance(item, dict | list):
            yield from _list_places(item)


def _nest(value: Any, at: int) -> Any:
    for level in range(1 + at % MOST_LEVELS):
        value = [value] if at % 2 else {str(level): value}
    return value


def mutate_json(samples: Sequence[bytes]) -> st.SearchStrategy[bytes]:
    """Draw a body of which bytes or values are changed."""
    values = mutate_value([json.loads(sample) for sample in samples])
    return st.one_of(mutate(samples), values.map(lambda value: json.dumps(value).encode()))


def mutate_toml(samples: Sequence[bytes]) -> st.SearchStrategy[bytes]:
    """Draw a file of which bytes or values are changed."""
    values = mutate_value([tomllib.loads(sample.decode()) for sample in samples])
    return st.one_of(mutate(samples), values.map(_write_toml))


def _write_toml(tables: dict[str, Any]) -> bytes:
    lines = [f"{json.dumps(name)} = {_write_inline(value)}" for name, value in tables.items()]
    return "\n".join(lines).encode("utf-8", "surrogatepass")


def _write_inline(value: Any) -> str:
    match value:
        case dict():
            pairs = (f"{json.dumps(name)} = {_write_inline(item)}" for name, item in value.items())
            return f"{{{', '.join(pairs)}}}"
        case list():
            return f"[{', '.join(map(_write_inline, value))}]"
        case None:
            return "1979-05-27"
    return json.dumps(value).replace("Infinity", "inf").replace("NaN", "nan")
