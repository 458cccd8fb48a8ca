"""Questions that parts are chosen by, and few agents that have every pair of parts.

There are far too many agents to list, so each is made: of parts it has to have or to lack, and of
another agent that it is like in everything else. Knows no copier.yml.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations, product
from random import Random
from typing import Any

from create_12_factor_agent import parts
from create_12_factor_agent.catalog import Answer, Question

Answers = dict[str, Any]
Wanted = Mapping[str, bool]
"""Parts, and whether each has to be there."""
Trait = tuple[str, bool]
Pair = frozenset[Trait]

TRIED = 16
"""How many agents are made for each one taken, which is the one with most missing pairs."""


@dataclass(frozen=True)
class Rule:
    """What a choice needs of the answers to other questions."""

    choice: str
    needs: frozenset[str]
    """The names of those questions."""
    allows: Callable[[Answers], bool]


@dataclass(frozen=True)
class Menu:
    """The questions, and which answers go together."""

    questions: tuple[Question, ...]
    rules: tuple[Rule, ...] = ()

    @cached_property
    def parts(self) -> dict[str, Question]:
        """Each part with its question."""
        return {part: one for one in self.questions for part in parts_of(one)}

    def chosen(self, answers: Answers) -> tuple[str, ...]:
        """Return the parts of an agent."""
        there = {part for part, has in self._traits(answers) if has}
        return tuple(part for part in self.parts if part in there)

    def allows(self, answers: Answers) -> bool:
        """Tell whether these answers, to all questions or only some, go together."""
        given = {
            choice
            for answer in answers.values()
            for choice in (answer if isinstance(answer, list) else [answer])
        }
        return all(
            rule.allows(answers)
            for rule in self.rules
            if rule.choice in given and rule.needs <= answers.keys()
        )

    def nearest(self, near: Answers, wanted: Wanted) -> Answers | None:
        """Return an agent with some parts and without others, and like `near` in all the rest.

        None where there is no such agent.
        """
        return next(self._completed({}, self._in_order, near, wanted), None)

    def agreeing(self, near: Answers, wishes: Iterable[Trait]) -> Answers:
        """Return an agent like `near` that has or lacks what is wished, each if it still can."""
        wanted: dict[str, bool] = {}
        for part, has in wishes:
            if one := self.nearest(near, wanted | {part: has}):
                near, wanted[part] = one, has
        return near

    def step(self, part: str, near: Answers) -> tuple[Answers, Answers]:
        """Return an agent without a part and the same one with it, as like `near` as can be."""
        steps = [
            (without, having)
            for one in self._bases(self.parts[part], part, near)
            for other in self._others(self.parts[part], part, one)
            for without, having in ((one, other), (other, one))
            if part not in self.chosen(without) and part in self.chosen(having)
        ]
        return min(steps, key=lambda both: (self._apart(*both), self._apart(near, both[1])))

    def covering(self, first: Iterable[Answers]) -> list[Answers]:
        """Add to these, each once, agents until each pair of parts that can be is in one."""
        found: list[Answers] = []
        for one in first:
            found += [one] if one not in found else []
        missing = self.possible_pairs.difference(*map(self.pairs, found))
        while missing:
            ordered = sorted(missing, key=sorted)
            seeds = ordered[:: -(-len(ordered) // TRIED)]
            made = [self._richest(found[0], seed, missing) for seed in seeds]
            found.append(max(made, key=lambda one: len(self.pairs(one) & missing)))
            missing -= self.pairs(found[-1])
        return found

    def drawn(self, near: Answers, count: int, seed: int) -> list[Answers]:
        """Return so many agents, each once, drawn at random: the same for the same seed."""
        chance, found = Random(seed), list[Answers]()  # noqa: S311 # no secret
        for _ in range(20 * count):  # there may be fewer
            shuffled = chance.sample([*self.parts], len(self.parts))
            one = self.agreeing(near, [(part, chance.random() < 1 / 2) for part in shuffled])
            found += [one] if one not in found else []
            if len(found) == count:
                break
        return found

    @cached_property
    def possible_pairs(self) -> frozenset[Pair]:
        """Each two parts in each way in which an agent has them: both, one of them, neither."""
        near = {one.name: [] if one.several else next(iter(one.choices)) for one in self.questions}
        pairs = (
            frozenset(zip(two, have, strict=True))
            for two in combinations(self.parts, 2)
            for have in product((True, False), repeat=2)
        )
        return frozenset(pair for pair in pairs if self.nearest(near, dict(pair)))

    def pairs(self, answers: Answers) -> frozenset[Pair]:
        """Return how an agent has each two parts."""
        chosen = self.chosen(answers)
        traits = [(part, part in chosen) for part in self.parts]
        return frozenset(map(frozenset, combinations(traits, 2)))

    def _richest(self, near: Answers, seed: Pair, missing: frozenset[Pair]) -> Answers:
        """Go on from a pair, part by part, with whatever brings more of the missing ones."""
        wanted, one = dict(seed), self.nearest(near, dict(seed)) or near
        left = Counter(trait for pair in missing for trait in pair)

        def gain(trait: Trait) -> tuple[int, int]:
            new = sum(frozenset({trait, other}) in missing for other in wanted.items())
            return new, left[trait]

        for part in sorted(self.parts, key=lambda part: -left[part, True] - left[part, False]):
            for has in sorted((True, False), key=lambda has: gain((part, has)), reverse=True):
                if part not in wanted and (better := self.nearest(one, wanted | {part: has})):
                    wanted[part], one = has, better
        return one

    def _bases(self, question: Question, part: str, near: Answers) -> Iterator[Answers]:
        """Give agents to step from: one for each answer to the question of the part."""
        wishes = [*self._brought[question.name].values()]
        for wanted in [{part: True}, {part: False}] if question.several else wishes:
            if one := self.nearest(near, wanted):
                yield one

    def _others(self, question: Question, part: str, one: Answers) -> Iterator[Answers]:
        """Give the agents that differ from one only in the answer to the question of the part."""
        answer = one[question.name]
        toggled = [choice for choice in question.choices if (choice in answer) != (choice == part)]
        for other in [toggled] if question.several else [*question.choices]:
            if self.allows(changed := one | {question.name: other}):
                yield changed

    def _apart(self, one: Answers, other: Answers) -> int:
        return len({*self.chosen(one)} ^ {*self.chosen(other)})

    @cached_property
    def _brought(self) -> dict[str, dict[str, dict[str, bool]]]:
        """By question and choice: which of the question's parts a choice brings."""
        return {
            one.name: {
                choice: {
                    part: part in parts_of(one, [choice] if one.several else choice)
                    for part in parts_of(one)
                }
                for choice in one.choices
            }
            for one in self.questions
        }

    def _traits(self, answers: Answers) -> Iterator[Trait]:
        for one in self.questions:
            for choice in answers[one.name] if one.several else [answers[one.name]]:
                yield from self._brought[one.name][choice].items()

    @cached_property
    def _needed(self) -> frozenset[str]:
        return frozenset[str]().union(*(rule.needs for rule in self.rules))

    @cached_property
    def _in_order(self) -> tuple[Question, ...]:
        """What others need comes first, so that what cannot be is seen at once."""
        return tuple(sorted(self.questions, key=lambda one: one.name not in self._needed))

    def _completed(
        self, begun: Answers, left: tuple[Question, ...], near: Answers, wanted: Wanted
    ) -> Iterator[Answers]:
        if not left:
            yield {one.name: begun[one.name] for one in self.questions}
            return
        question, rest = left[0], left[1:]
        answers = self._lists if question.several else self._choices
        for answer in answers(question, begun, near[question.name], wanted):
            if self.allows(more := begun | {question.name: answer}):
                yield from self._completed(more, rest, near, wanted)
                if question.name not in self._needed:
                    return  # nothing depends on what else it could be

    def _choices(
        self, question: Question, _: Answers, near: Answer, wanted: Wanted
    ) -> Iterator[Answer]:
        """Give the choices with these parts and without those, what is like `near` first."""
        brought = self._brought[question.name]
        for choice in sorted(brought, key=lambda choice: choice != near):
            if all(wanted.get(part, has) == has for part, has in brought[choice].items()):
                yield choice

    def _lists(
        self, question: Question, begun: Answers, near: Answer, wanted: Wanted
    ) -> Iterator[Answer]:
        """Give the lists with these parts and without those, what is like `near` first."""
        ways = []
        for choice in question.choices:
            likely = wanted.get(choice, choice in near)
            both = [likely] if choice in wanted else [likely, not likely]
            can_be = question.name in self._needed or self.allows(begun | {question.name: [choice]})
            ways.append(both if can_be else [False] if False in both else [])
        for ticks in product(*ways):
            yield [choice for choice, has in zip(question.choices, ticks, strict=True) if has]


def parts_of(question: Question, answer: Answer | None = None) -> list[str]:
    """Return the parts that an answer brings, or all that the question has."""
    found = parts.listing({} if answer is None else {question.name: answer}, [question])
    return [part.name for part in found if part.chosen or answer is None]
