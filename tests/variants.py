"""Which agents there can be: every combination of answers, and few that have every pair of them.

All of it is read from copier.yml: a new part is in it without a word here.
"""

from collections.abc import Callable, Iterable, Iterator
from functools import cache
from itertools import combinations, product
from typing import Any

import yaml
from jinja2 import Environment, Template

from create_12_factor_agent import catalog, parts
from create_12_factor_agent.catalog import Answer, Question

from .conftest import ROOT

Answers = dict[str, Any]

QUESTIONS = [question for question in catalog.questions() if question.choices]
PARTS = {part: question for question in QUESTIONS for part in question.parts}

LISTS: Answers = {question.name: [*question.choices] for question in QUESTIONS if question.several}
DEFAULT: Answers = {question.name: question.check(question.default) for question in QUESTIONS}
NOTHING: Answers = {one.name: catalog.NONE for one in QUESTIONS if catalog.NONE in one.choices}
SMALLEST: Answers = DEFAULT | {name: [] for name in LISTS} | NOTHING
FULL: Answers = DEFAULT | LISTS


def chosen(answers: Answers) -> tuple[str, ...]:
    """Return the parts of an agent."""
    return tuple(part.name for part in parts.listing(answers, QUESTIONS) if part.chosen)


@cache
def every() -> tuple[Answers, ...]:
    """Return each combination that the template makes."""
    names = [question.name for question in QUESTIONS]
    found = (dict(zip(names, one, strict=True)) for one in product(*map(_possible, QUESTIONS)))
    return tuple(answers for answers in found if _is_allowed(answers))


def whole() -> list[Answers]:
    """Return the default agent, and full ones until each part is in one: some exclude another."""
    fullest = [one for one in every() if all(one[name] == LISTS[name] for name in LISTS)]
    return _cover([DEFAULT, FULL], fullest, lambda one: frozenset(chosen(one)))


def few() -> list[Answers]:
    """Return agents that have every pair of parts: both, only one of them, neither."""
    return _cover([*whole(), SMALLEST], every(), _pairs)


def step(part: str, near: Answers) -> tuple[Answers, Answers]:
    """Return an agent without a part and the same one with it, as like `near` as can be."""
    steps = (
        (without, one)
        for one in every()
        if part in chosen(one)
        for without in _without(one, PARTS[part], part)
    )
    like = set(chosen(near))
    return min(steps, key=lambda both: len(like.symmetric_difference(chosen(both[1]))))


def optional() -> list[str]:
    """Return the parts that not every agent has."""
    return [part for part in PARTS if any(part not in chosen(one) for one in every())]


def _possible(question: Question) -> list[Answer]:
    if not question.several:
        return [*question.choices]
    sizes = range(len(question.choices) + 1)
    return [[*some] for size in sizes for some in combinations(question.choices, size)]


def _without(answers: Answers, question: Question, part: str) -> Iterator[Answers]:
    others = (
        [[other for other in answers[question.name] if other != part]]
        if question.several
        else [other for other in question.choices if other != part]
    )
    for other in others:
        without = answers | {question.name: other}
        if part not in chosen(without) and _is_allowed(without):
            yield without


def _is_allowed(answers: Answers) -> bool:
    having = chosen(answers)
    return not any(
        validator.render(answers).strip() for part, validator in _validators() if part in having
    )


@cache
def _validators() -> list[tuple[str, Template]]:
    """Return what tells whether a part can be chosen, of those that have such."""
    entries = yaml.safe_load((ROOT / "copier.yml").read_text("utf-8"))
    environment = Environment(autoescape=False)  # noqa: S701 # no page is made of it
    choices = (one for question in QUESTIONS for one in entries[question.name]["choices"].values())
    return [
        (one["value"], environment.from_string(one["validator"]))
        for one in choices
        if isinstance(one, dict)
    ]


def _pairs(answers: Answers) -> frozenset[object]:
    having = chosen(answers)
    return frozenset(combinations(((part, part in having) for part in PARTS), 2))


def _cover(
    first: Iterable[Answers],
    others: Iterable[Answers],
    traits: Callable[[Answers], frozenset[object]],
) -> list[Answers]:
    """Add to the first, each once, whichever has most traits that are missing."""
    found: list[Answers] = []
    for one in first:
        found += [one] if one not in found else []
    having = [(one, traits(one)) for one in others]
    missing = {trait for _, some in having for trait in some}.difference(*map(traits, found))
    while missing:
        best, some = max(having, key=lambda each: len(each[1] & missing))
        found.append(best)
        missing -= some
    return found
