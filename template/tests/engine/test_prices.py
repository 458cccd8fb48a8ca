"""What models cost: the owner's file, and what calls add up to."""

from pathlib import Path

import pytest

from agent.engine.costs import compute_cost
from agent.engine.log.errors import Misconfigured
from agent.engine.log.events import make_event
from agent.engine.prices import Bill, Prices

MINI = {"input": 1.0, "cached": 0.1, "output": 10.0, "currency": "USD"}

FILE = """
["openai:gpt-5-mini"]
input = 1.0
cached = 0.1
output = 10.0
currency = "USD"
"""


@pytest.mark.parametrize(
    ("tokens", "cost"),
    [
        ({}, 0.0),
        ({"input": 1_000_000}, 1.0),
        ({"output": 100_000}, 1.0),
        ({"input": 1_000_000, "cached": 1_000_000}, 0.1),
        ({"input": 1_000_000, "cached": 400_000, "cache_write": 100_000}, 0.5 + 0.04 + 0.1),
        ({"input": 5, "cached": 10}, 1e-06),
        ({"input": "many", "output": None, "cached": True}, 0.0),
    ],
)
def test_each_kind_of_token_has_its_price(tokens: dict[str, int], cost: float) -> None:
    assert compute_cost(tokens, MINI) == pytest.approx(cost)


def test_tokens_written_to_a_cache_have_a_price_of_their_own() -> None:
    price = MINI | {"cache_write": 1.25}
    assert compute_cost({"input": 1_000_000, "cache_write": 1_000_000}, price) == 1.25


@pytest.mark.parametrize("price", [None, "free", {}, {"input": "x"}, []])
def test_what_is_not_a_price_costs_nothing(price: object) -> None:
    assert compute_cost({"input": 10}, price) == 0.0


def read(folder: Path, text: str, monkeypatch: pytest.MonkeyPatch) -> Prices:
    monkeypatch.chdir(folder)
    Path("prices.toml").write_text(text, "utf-8")
    return Prices.from_env()


def test_prices_are_found_by_model_and_by_the_name_in_a_reply(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prices = read(tmp_path, FILE, monkeypatch)
    assert prices.find("openai:gpt-5-mini") == MINI
    assert prices.find_reported("gpt-5-mini-2025-08-07") == MINI
    assert prices.find_reported("gpt-5-mini") == MINI
    for other in ("gpt-5", "gpt-5-mini-tiny", "", "mini"):
        assert prices.find_reported(other) is None


def test_without_a_file_no_model_has_a_price(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert Prices.from_env().models == {}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("input = ", "cannot be read"),
        ("input = 1", "write a table for each model"),
        ('[gpt-5]\ninput = 1\noutput = 1\ncurrency = "USD"', "name the model as in MODEL"),
        (FILE + "outptu = 3", "'outptu' is not one of"),
        (FILE.replace("10.0", "-1"), "output = -1 is not a price"),
        (FILE.replace("10.0", "nan"), "output = nan is not a price"),
        pytest.param(FILE.replace("10.0", "9" * 400), "9 is not a price", id="huge"),
        ("x = " + "[" * 2_000, "cannot be read"),
        (FILE.replace("10.0", "true"), "output = True is not a price"),
        (FILE.replace("10.0", '"10"'), "output = '10' is not a price"),
        (FILE.replace("output = 10.0", ""), "needs input, output and currency"),
        (FILE.replace('"USD"', "1"), "needs input, output and currency"),
    ],
)
def test_a_broken_file_is_refused_with_its_name_and_what_to_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, problem: str
) -> None:
    with pytest.raises(Misconfigured, match=r"prices\.toml") as refused:
        read(tmp_path, text, monkeypatch)
    assert problem in str(refused.value)


def test_a_recorded_price_comes_before_that_of_today_and_an_unknown_one_is_said() -> None:
    prices = Prices({"openai:new": MINI | {"input": 100.0}})
    tokens = {"input": 1_000_000}
    bill = Bill.of(
        prices,
        [
            make_event("step", tokens=tokens, model="new", price=MINI),
            make_event("step", tokens=tokens, model="new"),
            make_event("invalid_step", tokens=tokens, model="other"),
            make_event("finished", message="no call"),
        ],
    )
    assert bill.amounts == {"USD": 101.0}
    assert (bill.calls, bill.unknown) == (3, 1)
    assert str(bill) == "101.00 USD + 1 of 3 calls without a price"


def test_small_amounts_are_shown_and_nothing_is_said_where_no_price_is_known() -> None:
    step = make_event("step", tokens={"input": 12_345}, price=MINI)
    assert str(Bill.of(Prices(), [step])) == "0.0123 USD"
    assert str(Bill.of(Prices(), [make_event("step", tokens={"input": 1})])) == ""
