"""Asks a second model while the first has been away for long: `MODEL=openai:a,anthropic:b`.

A model that refuses a request is not away: people are asked. Each step says which model answered
in place of the first.
"""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..context.window import Prompt
from ..log.errors import Misconfigured, ModelUnavailable
from ..loop.ports import LLM, Reply
from ..prices import Price
from ..settings import optional, read_switch

log = logging.getLogger(__name__)

PROBE_S = 30.0
"""How often a model that is away is asked again."""


@dataclass(frozen=True)
class Choice:
    """A model, by its name in `MODEL`, and its price if it has one."""

    name: str
    llm: LLM
    price: Price | None = None


class FallbackLLM:
    """Asks the first model; the next one once those before it were away for `after_s`."""

    def __init__(
        self,
        choices: Sequence[Choice],
        after_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._choices = choices
        self._after_s = after_s
        self._clock = clock
        self._away: dict[str, tuple[float, float, ModelUnavailable]] = {}
        """Since when each model is away, when it was asked last, and what it said."""

    async def __call__(self, prompt: Prompt, schema: dict[str, Any]) -> Reply:
        first, problem = self._choices[0].name, None
        for place, choice in enumerate(self._choices):
            last = place == len(self._choices) - 1
            if not last and self._is_away(choice.name):
                problem = problem or self._away[choice.name][2]
                continue
            try:
                reply = await choice.llm(prompt, schema)
            except ModelUnavailable as error:
                self._keep(choice.name, error)
                problem = problem or error
                if last or not self._is_away(choice.name):
                    raise problem from error
                log.warning("%s has been away for %.0f s", choice.name, self._after_s)
            else:
                self._away.pop(choice.name, None)
                if place:
                    return replace(reply, instead_of=first, price=choice.price)
                return reply
        raise AssertionError("the last model is always asked")

    def complete(self, prompt: Prompt, schema: dict[str, Any]) -> Prompt:
        """Return the prompt as the first model is sent it."""
        complete = getattr(self._choices[0].llm, "complete", None)
        sent: Prompt = complete(prompt, schema) if complete else prompt
        return sent

    def _keep(self, name: str, error: ModelUnavailable) -> None:
        now = self._clock()
        since = self._away[name][0] if name in self._away else now
        self._away[name] = (since, now, error)

    def _is_away(self, name: str) -> bool:
        """Say whether a model was away for long enough, and does not have to be asked again yet."""
        if name not in self._away:
            return False
        since, asked, _ = self._away[name]
        return asked - since >= self._after_s and self._clock() - asked < PROBE_S


def read_patience_s() -> float:
    """Read `MODEL_FALLBACK_AFTER_S`. Raises Misconfigured."""
    text = optional("MODEL_FALLBACK_AFTER_S", "60")
    if not text.isdecimal():
        raise Misconfigured(f"MODEL_FALLBACK_AFTER_S={text!r} is not a number of seconds")
    return float(text)


def check_prices(choices: Sequence[Choice]) -> None:
    """Refuse to fall back to a dearer model, unless `MODEL_FALLBACK_DEARER=yes`.

    Raises:
        Misconfigured: a later model costs more than the first.
    """
    first, *others = choices
    for other in others:
        if not (first.price and other.price):
            log.warning("what falling back to %r costs is unknown: see prices.toml", other.name)
            continue
        dearer = any(other.price[kind] > first.price[kind] for kind in ("input", "output"))
        same = other.price["currency"] == first.price["currency"]
        if (dearer or not same) and not read_switch("MODEL_FALLBACK_DEARER"):
            raise Misconfigured(
                f"MODEL: {other.name!r} may cost more than {first.name!r} (see prices.toml). "
                "Set MODEL_FALLBACK_DEARER=yes to allow it."
            )
