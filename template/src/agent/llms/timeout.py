"""How long to wait for one answer of a model: the one setting that all providers share."""

from ..errors import Misconfigured
from ..settings import optional


def timeout_s() -> float:
    """Return `MODEL_TIMEOUT_S`. Raises Misconfigured where it is no number above 0."""
    value = optional("MODEL_TIMEOUT_S", "120")
    try:
        seconds = float(value)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise Misconfigured(f"MODEL_TIMEOUT_S={value!r} is no number of seconds")
    return seconds
