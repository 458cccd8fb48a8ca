"""Parts by name: which question each answers, and what the answers are with and without it."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from . import source
from .catalog import NONE, Answer, Question
from .errors import UsageError


@dataclass(frozen=True)
class Part:
    """One choice of one question."""

    name: str
    question: str
    label: str
    chosen: bool


def listing(answers: Mapping[str, Any], known: Iterable[Question]) -> list[Part]:
    """Return all parts, in the order of the questions."""
    return [
        Part(part, question.name, question.choices[part], part in question.parts_of(here))
        for question in known
        for here in [answers.get(question.name, [])]
        for part in question.parts
    ]


def added(
    answers: Mapping[str, Any], parts: Iterable[str], known: Iterable[Question]
) -> dict[str, Answer]:
    """Return the answers that change when parts are added; one that stands alone is replaced.

    A part that another one includes is there already.

    Raises: UsageError on a part that is not known.
    """
    changed: dict[str, Answer] = {}
    for part, question in _owners(parts, known):
        here = changed.get(question.name, answers[question.name])
        if part not in question.parts_of(here):
            changed[question.name] = question.check([*here, part] if question.several else part)
    return {name: answer for name, answer in changed.items() if answer != answers[name]}


def removed(
    answers: Mapping[str, Any], parts: Iterable[str], known: Iterable[Question]
) -> dict[str, Answer]:
    """Return the answers that change when parts are removed.

    Raises: UsageError on a part that is not known, not there, only to be replaced, or included
    in one that stays.
    """
    owners = [*_owners(parts, known)]
    left = {question.name: question.parts_of(answers[question.name]) for _, question in owners}
    for part, question in owners:
        if part not in left[question.name]:
            hint = f"See what there is: {source.NAME} parts"
            raise UsageError(f"There is no {part!r} here to remove.", hint)
        if not question.several and NONE not in question.choices:
            others = ", ".join(other for other in question.choices if other != part)
            hint = f"Add another in its place: {others}." if others else "There is no other."
            raise UsageError(f"An agent needs one {question.name}; this is {part!r}.", hint)
        left[question.name].remove(part)
    return {question.name: _answer(question, left[question.name]) for _, question in owners}


def _answer(question: Question, left: list[str]) -> Answer:
    """Return the answer that brings these parts. Raises UsageError where one includes another."""
    if question.several:
        return left
    answer = left[0] if left else NONE
    for part in question.parts_of(answer):
        if part not in left:
            hint = f"Remove both: {source.NAME} remove {answer} {part}"
            raise UsageError(f"{answer!r} needs {part!r}.", hint)
    return answer


def _owners(parts: Iterable[str], known: Iterable[Question]) -> Iterator[tuple[str, Question]]:
    owners = {part: question for question in known for part in question.parts}
    for part in parts:
        if part not in owners:
            hint = f"There are: {', '.join(owners)}. A newer version may have more: update first."
            raise UsageError(f"There is no part {part!r} in this version of the template.", hint)
        yield part, owners[part]
