"""Parts by name: which question each answers, and what the answers are with and without it."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from . import source
from .catalog import SEEDS, Answer, Question
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
        Part(part, question.name, label, part in _list(answers.get(question.name, [])))
        for question in known
        if question.name not in SEEDS
        for part, label in question.choices.items()
    ]


def added(
    answers: Mapping[str, Any], parts: Iterable[str], known: Iterable[Question]
) -> dict[str, Answer]:
    """Return the answers that change when parts are added; one that stands alone is replaced.

    Raises: UsageError on a part that is not known.
    """
    changed: dict[str, Answer] = {}
    for part, question in _owners(parts, known):
        here = changed.get(question.name, answers[question.name])
        changed[question.name] = question.check([*here, part] if question.several else part)
    return {name: answer for name, answer in changed.items() if answer != answers[name]}


def removed(
    answers: Mapping[str, Any], parts: Iterable[str], known: Iterable[Question]
) -> dict[str, Answer]:
    """Return the answers that change when parts are removed.

    Raises: UsageError on a part that is not known, not there, or only to be replaced.
    """
    changed: dict[str, Answer] = {}
    for part, question in _owners(parts, known):
        here = changed.get(question.name, answers[question.name])
        if part not in _list(here):
            hint = f"See what there is: {source.NAME} parts"
            raise UsageError(f"There is no {part!r} here to remove.", hint)
        if not question.several:
            others = ", ".join(other for other in question.choices if other != part)
            hint = f"Add another in its place: {others}." if others else "There is no other."
            raise UsageError(f"An agent needs one {question.name}; this is {part!r}.", hint)
        changed[question.name] = [other for other in here if other != part]
    return changed


def _owners(parts: Iterable[str], known: Iterable[Question]) -> Iterator[tuple[str, Question]]:
    owners = {
        part: question
        for question in known
        if question.name not in SEEDS
        for part in question.choices
    }
    for part in parts:
        if part not in owners:
            hint = f"There are: {', '.join(owners)}. A newer version may have more: update first."
            raise UsageError(f"There is no part {part!r} in this version of the template.", hint)
        yield part, owners[part]


def _list(answer: Answer) -> list[str]:
    return answer if isinstance(answer, list) else [answer]
