"""Makes the models of agents from their names in `MODEL`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from . import parts
from .llms.fallback import Choice, FallbackLLM, check_prices, read_patience_s
from .llms.scripted import ScriptedLLM
from .log.errors import AgentError, Misconfigured, ModelRefused
from .log.thread import Thread
from .loop.ports import LLM
from .options import ModelOptions
from .prices import Prices


@dataclass
class Models:
    own: Mapping[str, Callable[[str], LLM]]
    """Models that the owner added, by provider."""
    prices: Prices
    options: ModelOptions
    """Of the environment; those of an agent come first."""
    _made: dict[tuple[str, int], LLM] = field(default_factory=dict)

    def bind(self, names: str, options: ModelOptions) -> dict[str, Any]:
        """Return `model`, `llm` and `price` of a `BoundAgent`. Each model is made once.

        Raises:
            Misconfigured: there is no such model, or a setting of it is missing.
        """
        key = (names, id(options))
        if key not in self._made:
            self._made[key] = self._make(names, options.over(self.options))
        price = self.prices.find(_split(names)[0])
        return {"model": names, "llm": self._made[key], "price": price}

    def choose(
        self, model: Callable[[Thread], str], default: str, options: ModelOptions, thread: Thread
    ) -> dict[str, Any]:
        """Bind the model that an owner's function names for a thread."""
        try:
            return self.bind(model(thread) or default, options)
        except AgentError:
            raise
        except Exception as error:
            problem = f"`model` of the agent failed ({type(error).__name__}: {error}). Correct it."
            raise ModelRefused(problem) from error

    def _make(self, names: str, options: ModelOptions) -> LLM:
        first, *others = _split(names)
        if not others:
            return self._make_one(first, options)
        choices = [
            Choice(name, self._make_one(name, options), self.prices.find(name))
            for name in (first, *others)
        ]
        check_prices(choices)
        return FallbackLLM(choices, read_patience_s())

    def _make_one(self, model: str, options: ModelOptions) -> LLM:
        if not model:
            return ScriptedLLM.of()
        provider, _, name = model.partition(":")
        if make := self.own.get(provider):
            return make(name)
        if provider in parts.OTHERS:
            add = f"create-12-factor-agent add {provider}"
            raise Misconfigured(f"MODEL={model!r} is of a part that is not here; add it: {add}")
        if provider not in parts.LLMS:
            known = ", ".join(sorted({*parts.LLMS, *self.own}))
            raise Misconfigured(f"MODEL={model!r} is none of {known}")
        return parts.LLMS[provider](name, options)


def _split(names: str) -> list[str]:
    """Return the model, and those to fall back to."""
    return [name.strip() for name in names.split(",")]
