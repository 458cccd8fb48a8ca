"""Reads the owner's `prices.toml`, and adds up what model calls cost.

A step records the price it was made at, so a new price does not change an old cost. Calls that were
made before their model had a price are shown at today's price.
"""

import re
import tomllib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from .costs import compute_cost
from .index import Usage
from .log.errors import Misconfigured
from .log.events import Event
from .settings import optional

Price = dict[str, Any]
"""`input`, `output`, maybe `cached` and `cache_write`: per million tokens in `currency`."""

NUMBERS = {"input", "output", "cached", "cache_write"}
MOST = 1e9
"""Above it nothing is a price, and adding up whole numbers that no float holds would fail."""
_DATE = re.compile(r"-(\d{8}|\d{4}-\d\d-\d\d)$")
"""What providers add to the name of a model in their replies."""


@dataclass(frozen=True)
class Prices:
    models: Mapping[str, Price] = field(default_factory=dict)
    """By the name of the model as in `MODEL`."""

    @classmethod
    def from_env(cls) -> Self:
        """Read `prices.toml`, or the file that `PRICES_FILE` names. Raises Misconfigured."""
        path = Path(optional("PRICES_FILE", "prices.toml"))
        try:
            tables = tomllib.loads(path.read_text("utf-8"))
        except FileNotFoundError:
            return cls()
        except (OSError, ValueError, RecursionError) as error:
            raise Misconfigured(f"{str(path)!r} cannot be read: {error}") from None
        return cls({name: _read_price(path, name, table) for name, table in tables.items()})

    def find(self, model: str) -> Price | None:
        """Return the price of a model as in `MODEL`."""
        return self.models.get(model)

    def find_reported(self, name: str) -> Price | None:
        """Return the price of a model by the name in a provider's reply."""
        return next(
            (price for model, price in self.models.items() if is_reported_name(name, model)), None
        )


@dataclass
class Bill:
    """The cost of model calls."""

    prices: Prices
    calls: int = 0
    unknown: int = 0
    """Calls of models without a price."""
    tokens: Counter[str] = field(default_factory=Counter)
    amounts: dict[str, float] = field(default_factory=dict)
    """By currency."""

    @classmethod
    def of(cls, prices: Prices, events: Iterable[Event]) -> Self:
        bill = cls(prices)
        for event in events:
            if "tokens" in event.data:
                model, price = event.data.get("model") or "", event.data.get("price")
                bill.add(1, event.tokens, model, price)
        return bill

    def add_usage(self, usage: Usage) -> None:
        self.add(usage.calls, usage.tokens, usage.model, usage.price)

    def add(self, calls: int, tokens: dict[str, int], model: str, price: Price | None) -> None:
        price = price or self.prices.find_reported(model)
        self.calls += calls
        self.tokens.update(tokens)
        if price:
            currency = str(price.get("currency", ""))
            before = self.amounts.get(currency, 0.0)
            self.amounts[currency] = before + compute_cost(tokens, price)
        else:
            self.unknown += calls

    def __str__(self) -> str:
        """Return `0.0123 USD`, with a note about calls whose price is unknown.

        It is "" if nothing was called, or if no price is known at all.
        """
        parts = [format_amount(amount, currency) for currency, amount in self.amounts.items()]
        if self.unknown and (parts or self.prices.models):
            parts.append(f"{self.unknown:,} of {self.calls:,} calls without a price")
        return " + ".join(parts)


def is_reported_name(name: str, model: str) -> bool:
    """Say whether `name`, in a provider's reply, is that of `model`, named as in `MODEL`."""
    return model.partition(":")[2] in (name, _DATE.sub("", name))


def format_amount(amount: float, currency: str) -> str:
    """Return `12.34 USD`; small amounts keep four decimal places."""
    return f"{amount:,.{2 if amount >= 1 else 4}f} {currency}".strip()


def _read_price(path: Path, name: str, table: object) -> Price:
    where = f"{str(path)!r}, [{name!r}]"
    if not isinstance(table, dict):
        raise Misconfigured(f'{where}: write a table for each model, such as ["openai:gpt-5"]')
    if ":" not in name:
        raise Misconfigured(f'{where}: name the model as in MODEL, such as "openai:gpt-5"')
    if unknown := table.keys() - NUMBERS - {"currency"}:
        known = ", ".join(sorted(NUMBERS))
        raise Misconfigured(f"{where}: {sorted(unknown)[0]!r} is not one of {known}, currency")
    for number, value in table.items():
        right = isinstance(value, int | float) and not isinstance(value, bool)
        if number != "currency" and not (right and 0 <= value < MOST):
            raise Misconfigured(f"{where}: {number} = {value!r} is not a price per million tokens")
    currency = table.get("currency")
    if not {"input", "output"} <= table.keys() or not isinstance(currency, str) or not currency:
        raise Misconfigured(f'{where} needs input, output and currency, such as "USD"')
    return table
