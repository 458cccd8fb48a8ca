"""What the answers are with a part and without it."""

from typing import Any

import pytest

from create_12_factor_agent import catalog, parts
from create_12_factor_agent.errors import UsageError

KNOWN = catalog.questions()
HERE: dict[str, Any] = {question.name: question.check(question.default) for question in KNOWN}


def added(here: dict[str, Any], *names: str) -> dict[str, Any]:
    return here | parts.added(here, names, KNOWN)


def removed(here: dict[str, Any], *names: str) -> dict[str, Any]:
    return here | parts.removed(here, names, KNOWN)


@pytest.mark.parametrize(
    ("web", "names", "then"),
    [
        ("none", ["http"], "http"),
        ("none", ["inbox"], "inbox"),
        ("none", ["http", "inbox"], "inbox"),
        ("none", ["inbox", "http"], "inbox"),
        ("http", ["inbox"], "inbox"),
        ("http", ["http"], "http"),
        ("inbox", ["http"], "inbox"),
    ],
)
def test_what_another_part_includes_is_there_already(web: str, names: list[str], then: str) -> None:
    assert added(HERE | {"web": web}, *names) == HERE | {"web": then}


@pytest.mark.parametrize(
    ("web", "names", "then"),
    [
        ("inbox", ["inbox"], "http"),
        ("inbox", ["inbox", "http"], "none"),
        ("inbox", ["http", "inbox"], "none"),
        ("http", ["http"], "none"),
    ],
)
def test_what_a_part_includes_stays_without_it(web: str, names: list[str], then: str) -> None:
    assert removed(HERE | {"web": web}, *names) == HERE | {"web": then}


@pytest.mark.parametrize(
    ("web", "name", "problem"),
    [
        ("inbox", "http", "'inbox' needs 'http'."),
        ("http", "inbox", "no 'inbox' here"),
        ("none", "http", "no 'http' here"),
        ("inbox", "none", "no part 'none'"),
        ("inbox", "sqlite", "needs one store"),
        ("inbox", "slack", "no 'slack' here"),
    ],
)
def test_what_cannot_be_removed_is_told(web: str, name: str, problem: str) -> None:
    with pytest.raises(UsageError, match=problem):
        removed(HERE | {"web": web}, name)


def test_nothing_is_no_part_to_add() -> None:
    with pytest.raises(UsageError, match="no part 'none'"):
        added(HERE, "none")


@pytest.mark.parametrize(
    ("web", "chosen"),
    [("inbox", {"inbox", "http"}), ("http", {"http"}), ("none", set()), (None, set())],
)
def test_the_parts_that_another_one_includes_are_listed_as_chosen(
    web: str | None, chosen: set[str]
) -> None:
    here = {"web": web} if web else {}
    listed = {part.name: part.chosen for part in parts.listing(here, KNOWN)}
    assert {name for name, there in listed.items() if there} == chosen
    assert "none" not in listed
