"""Computes what a model call costs from its tokens and a price."""

from collections.abc import Mapping
from typing import Any

UNIT = 1_000_000
"""Tokens that a price is for."""


def compute_cost(tokens: Mapping[str, Any], price: object) -> float:
    """Return the cost of a call in the currency of its price; 0.0 without a price.

    `price` has numbers for `input` and `output`, and may have some for `cached` and `cache_write`,
    which otherwise cost the same as `input`.
    """
    if not isinstance(price, Mapping):
        return 0.0
    cached, written = _read(tokens, "cached"), _read(tokens, "cache_write")
    fresh = max(0.0, _read(tokens, "input") - cached - written)
    full = _read(price, "input")
    cost = fresh * full + _read(tokens, "output") * _read(price, "output")
    cost += cached * _read(price, "cached", full) + written * _read(price, "cache_write", full)
    return cost / UNIT


def _read(numbers: Mapping[str, Any], name: str, default: float = 0.0) -> float:
    number = numbers.get(name)
    known = isinstance(number, int | float) and not isinstance(number, bool)
    return max(0.0, float(number)) if known else default  # type: ignore[arg-type]  # it is a number
