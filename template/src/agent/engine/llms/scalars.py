"""Makes texts and numbers that a JSON schema allows."""

from collections.abc import Iterator
from math import ceil, inf, isfinite
from typing import Any

from .patterns import make_match

_TEXTS = ("text", "Some Words", "1", " b ")
_FORMATS: dict[str, tuple[str, ...]] = {
    "base64url": ("YWJj",),
    "date": ("2026-03-01",),
    "date-time": ("2026-03-01T09:00:00Z", "2026-03-01T09:00:00.5+02:00", "2026-03-01T09:00:00"),
    "duration": ("PT1H30M", "P1D"),
    "email": ("ana@example.org",),
    "file-path": ("/",),
    "ipv4": ("192.0.2.1",),
    "ipv4network": ("192.0.2.0/24",),
    "ipv6": ("2001:db8::1",),
    "ipv6network": ("2001:db8::/32",),
    "time": ("09:00:00", "09:00:00Z"),
    "uri": ("https://example.org/a", "https://example.org"),
    "uuid": ("6f1e1e6e-0000-4000-8000-000000000001", "6f1e1e6e-0000-4000-8000-000000000002"),
}


def make_texts(node: dict[str, Any]) -> Iterator[str]:
    """Return texts of the format and length of a node."""
    least, most = node.get("minLength", 0), node.get("maxLength", 1_000)
    if "pattern" in node:
        text = make_match(node["pattern"])
        yield from [text] if text is not None and least <= len(text) <= most else []
    for text in _FORMATS.get(node.get("format", ""), _TEXTS):
        yield (text * (least // len(text) + 1) if len(text) < least else text)[:most]


def make_numbers(node: dict[str, Any]) -> Iterator[float]:
    """Return numbers within the bounds of a node."""
    whole, step = node["type"] == "integer", node.get("multipleOf")
    least, above = node.get("minimum", -inf), node.get("exclusiveMinimum", -inf)
    most, below = node.get("maximum", inf), node.get("exclusiveMaximum", inf)
    low, high = max(least, above), min(most, below)
    bounds = [bound for bound in (low, high) if isfinite(bound)]
    some: list[float] = [*([] if whole else [2.5, 0.25]), 1, 0, -3, 7]
    some += [bound + more for bound in bounds for more in (0, 1, -1)]
    some += [sum(bounds) / 2] if len(bounds) == 2 else []
    for number in some:
        if step or whole:
            number = ceil(number / (step or 1)) * (step or 1)
        if least <= number <= most and above < number < below:
            yield number
