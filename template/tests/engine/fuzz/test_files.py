"""Files of the owner, damaged or filled in wrongly: each is read, or its mistake is named."""

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

from agent.engine.log.errors import Misconfigured
from agent.engine.people.identity import check_agents, find_channels, resolve_person
from agent.engine.prices import Bill, Prices

from ..examples import given
from .mutation import mutate_toml, read_samples

CORPUS = Path(__file__).parent / "corpus"


def check_file(variable: str, read: Callable[[], object], content: bytes) -> None:
    """Check that a file is read, or refused in words that name it."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "file.toml"
        path.write_bytes(content)
        with patch.dict("os.environ", {variable: str(path)}):
            refused = ""
            try:
                read()
            except Misconfigured as error:
                refused = "\n".join((str(error), *getattr(error, "__notes__", ())))
            assert not refused or str(path) in refused


def read_people() -> None:
    check_agents(["test"])
    resolve_person("slack", "U2")
    find_channels("ana", ["slack", "email"])


def read_prices() -> None:
    bill = Bill(Prices.from_env())
    bill.add(1, {"input": 10, "output": 5, "cached": 5, "cache_write": 5}, "gpt-5-mini", None)
    str(bill)


@given(mutate_toml(read_samples(CORPUS, "people.toml")))
def test_any_people_file_is_read_or_refused_in_words(content: bytes) -> None:
    check_file("PEOPLE_FILE", read_people, content)


@given(mutate_toml(read_samples(CORPUS, "prices.toml")))
def test_any_file_of_prices_is_read_or_refused_in_words(content: bytes) -> None:
    check_file("PRICES_FILE", read_prices, content)
