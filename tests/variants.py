"""Which agents the template makes, and few that have every pair of its parts.

All of it is read from copier.yml: a new part is in it without a word here.
"""

from functools import cache

import yaml
from jinja2 import Environment, meta

from create_12_factor_agent import catalog
from create_12_factor_agent.catalog import Answer, Question

from .conftest import ROOT
from .menu import Answers, Menu, Rule, parts_of

APART = ("sample",)
"""Questions whose answer meets no part: each answer is in one agent, and not crossed with parts."""

SUITE = "engine-tests"
"""The part that has all tests of the engine."""

ASKED = [question for question in catalog.questions() if question.choices]
QUESTIONS = [question for question in ASKED if question.name not in APART]


def _rules() -> list[Rule]:
    """Return the validators of choices: what Copier refuses."""
    entries = yaml.safe_load((ROOT / "copier.yml").read_text("utf-8"))
    environment = Environment(autoescape=False)  # noqa: S701 # no page is made of it
    choices = [one for question in QUESTIONS for one in entries[question.name]["choices"].values()]
    return [_rule(environment, **choice) for choice in choices if isinstance(choice, dict)]


def _rule(environment: Environment, value: str, validator: str) -> Rule:
    says = environment.from_string(validator)
    needs = meta.find_undeclared_variables(environment.parse(validator))
    return Rule(value, frozenset(needs), lambda answers: not says.render(answers).strip())


MENU = Menu(tuple(QUESTIONS), tuple(_rules()))
PARTS = MENU.parts

DEFAULT: Answers = {question.name: question.check(question.default) for question in QUESTIONS}
LISTS: Answers = {question.name: [*question.choices] for question in QUESTIONS if question.several}
FULL: Answers = DEFAULT | LISTS


def _least(question: Question) -> Answer:
    def weight(choice: str) -> tuple[int, bool]:
        return len(parts_of(question, choice)), choice != question.default

    return [] if question.several else min(question.choices, key=weight)


SMALLEST: Answers = {question.name: _least(question) for question in QUESTIONS}


def chosen(answers: Answers) -> tuple[str, ...]:
    """Return the parts of an agent."""
    return MENU.chosen(answers)


def name(answers: Answers) -> str:
    """Name an agent by its parts, and by what else was answered."""
    return "-".join([*chosen(answers), *(answers[one] for one in APART if one in answers)])


@cache
def whole() -> list[Answers]:
    """Return the default agent, and full ones until each part is in one: some exclude another."""
    rows = [DEFAULT, FULL]
    while missing := [part for part in PARTS if not any(part in chosen(one) for one in rows)]:
        rows.append(MENU.agreeing(FULL, ((part, True) for part in missing)))
    return rows


@cache
def few() -> list[Answers]:
    """Return agents that have every pair of parts: both, only one of them, neither."""
    rows = MENU.covering([*whole(), SMALLEST])
    for question in (one for one in ASKED if one.name in APART):
        others = [choice for choice in question.choices if choice != question.default]
        for place, choice in enumerate(others, 1):
            rows[-place] = rows[-place] | {question.name: choice}
    return rows


def with_suite(answers: Answers) -> Answers:
    """Return the same agent with all tests of its engine."""
    return answers | (MENU.nearest(answers, {SUITE: True}) or {})


def drawn(count: int, seed: int) -> list[Answers]:
    """Return so many agents drawn at random, the same for the same seed."""
    return MENU.drawn(DEFAULT, count, seed)


def step(part: str, near: Answers) -> tuple[Answers, Answers]:
    """Return an agent without a part and the same one with it, as like `near` as can be."""
    return MENU.step(part, near)


def optional() -> list[str]:
    """Return the parts that not every agent has."""
    return [part for part in PARTS if MENU.nearest(DEFAULT, {part: False})]
