"""How an agent's model is asked, beyond the prompt and the schema."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from math import isfinite
from typing import Any, Literal, Self, get_args

from .log.errors import Misconfigured
from .settings import optional

Effort = Literal["minimal", "low", "medium", "high"]
CacheTtl = Literal["5m", "1h"]


@dataclass(frozen=True)
class ModelOptions:
    """What is None is left to the provider.

    An option that a model does not know is refused by the provider, and a person is asked.
    """

    effort: Effort | None = None
    """How much a model that can think does so."""
    max_output: int | None = None
    """Tokens of a reply, thinking included."""
    temperature: float | None = None
    """The newest models refuse it."""
    timeout_s: float | None = None
    """For a whole reply; `MODEL_TIMEOUT_S` if None."""
    silence_s: float | None = None
    """Between two pieces of a reply; `MODEL_SILENCE_S` if None."""
    service_tier: str | None = None
    """In the words of the provider, such as `flex` or `priority`."""
    cache_ttl: CacheTtl | None = None
    """How long Anthropic keeps a prompt in its cache; an hour costs more to write."""
    extra_body: Mapping[str, Any] = field(default_factory=dict)
    """Added to the body of each request, over what is in it already."""
    extra_headers: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def from_env(cls) -> Self:
        """Read `MODEL_OPTIONS`, a JSON object with these names. Raises Misconfigured."""
        text = optional("MODEL_OPTIONS", "{}")
        try:
            given = json.loads(text)
        except ValueError:
            given = None
        if not isinstance(given, dict):
            raise Misconfigured('MODEL_OPTIONS is not a JSON object such as {"effort": "low"}')
        if unknown := given.keys() - {each.name for each in fields(cls)}:
            known = ", ".join(each.name for each in fields(cls))
            raise Misconfigured(f"MODEL_OPTIONS: {sorted(unknown)[0]!r} is not one of {known}")
        return cls(**given).check("MODEL_OPTIONS")

    def check(self, where: str) -> Self:
        """Return these options. Raises Misconfigured, naming `where`, if a value is wrong."""
        checks = {
            "effort": self.effort in (None, *get_args(Effort)),
            "max_output": self.max_output is None or _is_positive(self.max_output, int),
            "temperature": self.temperature is None or _is_number(self.temperature),
            "timeout_s": self.timeout_s is None or _is_positive(self.timeout_s, int | float),
            "silence_s": self.silence_s is None or _is_positive(self.silence_s, int | float),
            "service_tier": self.service_tier is None or isinstance(self.service_tier, str),
            "cache_ttl": self.cache_ttl in (None, *get_args(CacheTtl)),
            "extra_body": isinstance(self.extra_body, Mapping),
            "extra_headers": isinstance(self.extra_headers, Mapping),
        }
        if wrong := next((name for name, right in checks.items() if not right), None):
            raise Misconfigured(f"{where}: {wrong} = {getattr(self, wrong)!r} is not a valid value")
        return self

    def over(self, other: "ModelOptions") -> "ModelOptions":
        """Return `other` with what is set here in place of its own."""
        return replace(
            other, **{name: each for name, each in vars(self).items() if each not in (None, {})}
        )


def _is_number(value: Any) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and isfinite(value) and value >= 0


def _is_positive(value: Any, kind: Any) -> bool:
    return _is_number(value) and isinstance(value, kind) and value > 0
