"""Few agents with every pair of parts, of far more than could be listed."""

from itertools import combinations, product
from typing import Any

import pytest

from create_12_factor_agent.catalog import Question

from . import variants
from .menu import Answers, Menu, Rule


def one(name: str, *choices: str) -> Question:
    return Question(name, name, choices[0], dict.fromkeys(choices, ""), several=False)


def some(name: str, *choices: str) -> Question:
    return Question(name, name, "", dict.fromkeys(choices, ""), several=True)


def needs(choice: str, question: str, *answers: str) -> Rule:
    return Rule(choice, frozenset({question}), lambda given: given[question] in answers)


SHOP = Menu(
    (some("sauce", "red", "green"), one("size", "small", "big"), one("bread", "thin", "thick"),
     some("topping", "egg", "ham", "olives")),
    (needs("thick", "size", "big"), needs("ham", "size", "big"), needs("olives", "bread", "thin")),
)  # fmt: skip
"""Small enough to list all of it."""

EVERY: list[Answers] = [
    found
    for sauce, size, bread, topping in product(
        ([], ["red"], ["green"], ["red", "green"]),
        ("small", "big"),
        ("thin", "thick"),
        ([], ["egg"], ["ham"], ["olives"], ["egg", "ham"], ["egg", "olives"], ["ham", "olives"],
         ["egg", "ham", "olives"]),
    )
    if (size == "big" or (bread == "thin" and "ham" not in topping))
    and (bread == "thin" or "olives" not in topping)
    for found in [{"sauce": sauce, "size": size, "bread": bread, "topping": topping}]
]  # fmt: skip
PLAIN = EVERY[0]

LARGE = Menu(
    (*(one(f"q{place}", f"a{place}", f"b{place}") for place in range(14)), some("extra", *"xyz")),
    (needs("b7", "q3", "b3"), needs("x", "q13", "b13"), needs("y", "q13", "a13")),
)
"""131,072 agents, if nothing excluded another."""


def test_every_pair_that_can_be_is_in_one() -> None:
    rows = SHOP.covering([PLAIN])
    assert rows[0] == PLAIN
    assert all(row in EVERY for row in rows)
    there, covered = (frozenset().union(*map(SHOP.pairs, some)) for some in (EVERY, rows))
    assert covered == there == SHOP.possible_pairs
    assert len(rows) < len(EVERY) / 4


def test_of_a_menu_that_nobody_could_list_few_are_made() -> None:
    calls = 0

    def counted(rule: Rule) -> Rule:
        def allows(answers: Answers) -> bool:
            nonlocal calls
            calls += 1
            return rule.allows(answers)

        return Rule(rule.choice, rule.needs, allows)

    menu = Menu(LARGE.questions, tuple(map(counted, LARGE.rules)))
    first: dict[str, Any] = {f"q{place}": f"a{place}" for place in range(14)} | {"extra": []}
    rows = menu.covering([first])
    assert len(rows) <= 14
    assert frozenset().union(*map(menu.pairs, rows)) == menu.possible_pairs
    # Not both choices of a question nor neither; no b7 beside a3; no x or y at the wrong q13.
    impossible = 14 * 2 + 4 + 2 + 2 + 1
    assert len(menu.possible_pairs) == 4 * len([*combinations(menu.parts, 2)]) - impossible
    assert calls < 100_000
    assert rows == Menu(LARGE.questions, LARGE.rules).covering([first])


@pytest.mark.parametrize("wanted", [{"ham": True}, {"thick": True, "egg": True}, {"small": True}])
@pytest.mark.parametrize("near", [PLAIN, EVERY[-1]])
def test_the_nearest_has_what_is_wanted_and_changes_only_what_has_to_change(
    near: Answers, wanted: dict[str, bool]
) -> None:
    def apart(one: Answers) -> int:
        return len({*SHOP.chosen(near)} ^ {*SHOP.chosen(one)})

    fitting = [one for one in EVERY if all(part in SHOP.chosen(one) for part in wanted)]
    found = SHOP.nearest(near, wanted)
    assert found in fitting
    assert apart(found) == min(map(apart, fitting))


def test_where_nothing_fits_there_is_none() -> None:
    assert SHOP.nearest(PLAIN, {"olives": True, "thick": True}) is None


@pytest.mark.parametrize("near", [PLAIN, EVERY[-1]])
@pytest.mark.parametrize("part", SHOP.parts)
def test_a_step_changes_one_answer(part: str, near: Answers) -> None:
    without, having = SHOP.step(part, near)
    assert (part in SHOP.chosen(without), part in SHOP.chosen(having)) == (False, True)
    assert without in EVERY
    assert having in EVERY
    assert [name for name in having if having[name] != without[name]] == [SHOP.parts[part].name]


def test_agents_are_drawn_at_random_but_the_same_for_a_seed() -> None:
    drawn = SHOP.drawn(PLAIN, 20, seed=1)
    assert len(drawn) == 20
    assert all(one in EVERY and drawn.count(one) == 1 for one in drawn)
    assert drawn == SHOP.drawn(PLAIN, 20, seed=1) != SHOP.drawn(PLAIN, 20, seed=2)
    assert len(SHOP.drawn(PLAIN, len(EVERY) + 1, seed=1)) == len(EVERY)


def test_the_template_s_parts_are_in_few_agents() -> None:
    few = variants.few()
    assert few[:2] == [variants.DEFAULT, variants.FULL]
    assert variants.SMALLEST in few
    assert len(few) <= 16
    assert all(map(variants.MENU.allows, few))
    assert frozenset().union(*map(variants.MENU.pairs, few)) == variants.MENU.possible_pairs


def test_each_part_is_in_a_full_agent() -> None:
    assert {part for one in variants.whole() for part in variants.chosen(one)} == {*variants.PARTS}


def test_a_question_that_meets_no_part_is_not_crossed_with_them() -> None:
    for name in variants.APART:
        questions = [one for one in variants.ASKED if one.name == name]
        answers = {row.get(name, one.default) for row in variants.few() for one in questions}
        assert answers == {choice for one in questions for choice in one.choices}
        assert not variants.PARTS.keys() & answers
