"""`agent costs`, and costs in `agent show`."""

from pathlib import Path

import pytest

from agent.engine.log.events import make_event
from agent.engine.prices import Prices
from agent.engine.runners.app import App, ModelOf

from ..conftest import Clock
from ..domain import make_message
from .conftest import Desk

PRICE = {"input": 1.0, "output": 10.0, "currency": "USD"}
TOKENS = {"input": 100_000, "cached": 2_000, "output": 5_000}


class Priced(Desk):
    def build(self, model_of: ModelOf) -> App:
        app = super().build(model_of)
        return App(app.ports, app.runner, prices=Prices({"openai:known": PRICE}))


@pytest.fixture
def priced(desk: Desk, clock: Clock) -> Desk:
    def call(model: str, **price: object) -> object:
        return make_event("step", call={"intent": "look"}, tokens=TOKENS, model=model, **price)

    desk = Priced(desk.store, desk.world)
    desk.happened(make_message(actor="ana"), call("old", price=PRICE), thread_id="one")  # type: ignore[arg-type]
    clock.tick(86_400)
    said = make_message(actor="bob", agent="second")
    desk.happened(said, call("known"), call("new"), thread_id="two")  # type: ignore[arg-type]
    return desk


@pytest.mark.parametrize(
    ("by", "rows"),
    [
        ("day", ["2027-01-15  1      100,000  2,000   5,000   0.1500 USD", "2027-01-16  2 "]),
        ("agent", ["second  2      200,000", "test    1      100,000"]),
        ("model", ["known  1 ", "new    1      100,000  2,000   5,000   1 of 1 calls", "old    1"]),
        ("person", ["ana     1 ", "bob     2 "]),
    ],
)
def test_costs_are_added_up(priced: Desk, by: str, rows: list[str]) -> None:
    said = priced.agent("costs", "--by", by)
    assert said.exit_code == 0
    head, *lines, total = said.stdout.splitlines()
    assert head.split() == [by.upper(), "CALLS", "INPUT", "CACHED", "OUTPUT", "COST"]
    assert len(lines) == len(rows)
    assert all(line.startswith(row) for line, row in zip(lines, rows, strict=True)), lines
    assert total.split()[:2] == ["total", "3"]
    assert total.endswith("0.3000 USD + 1 of 3 calls without a price")
    assert "Set the missing prices in prices.toml" in said.stderr


def test_only_the_calls_of_the_time_are_counted(priced: Desk, clock: Clock) -> None:
    assert "total       2" in priced.agent("costs", "--since", "12h").stdout
    clock.tick(10 * 86_400)
    said = priced.agent("costs", "--since", "1w")
    assert (said.exit_code, said.stdout) == (0, "")
    assert "No model was called in the last 1w." in said.stderr


@pytest.mark.parametrize("words", [("--by", "week"), ("--since", "soon")])
def test_wrong_options_are_refused(priced: Desk, words: tuple[str, ...]) -> None:
    assert priced.agent("costs", *words).exit_code == 2


def test_a_thread_is_shown_with_what_it_and_its_steps_cost(priced: Desk) -> None:
    said = priced.agent("show", "two")
    assert "cost: 0.1500 USD + 1 of 2 calls without a price" in said.stderr
    assert "(0.1500 USD)" in said.stdout


def test_without_prices_nothing_is_said_of_costs(desk: Desk, tmp_path: Path) -> None:
    step = make_event("step", call={"intent": "look"}, tokens=TOKENS, model="m")
    desk.happened(make_message(), step)
    assert "cost" not in desk.agent("show", "t").stderr
    assert "unknown" in desk.agent("costs").stdout
