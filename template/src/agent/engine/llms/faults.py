"""Finds what is lost when a step is written and read again, and says why and what to do."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError

from ..log.errors import InvalidStep
from ..log.events import CallJson, as_json, cut
from ..loop.steps import Step
from .output import JsonSteps
from .remedies import explain_loss, locate


@dataclass(frozen=True)
class Fault:
    shape: str
    field: str
    """Empty where it is not known."""
    reason: str
    remedy: str

    def __str__(self) -> str:
        place = f"{self.shape}.{self.field}" if self.field else self.shape
        return f"{place}: {self.reason}. {self.remedy}."


def find_faults(steps: JsonSteps, step: Step, call: CallJson) -> Iterator[Fault]:
    """Return what does not survive when `step`, the value of `call`, is written and read again."""
    try:
        steps.validate(call)
    except InvalidStep as error:
        shape = type(step).__name__
        places = list(_find_places(steps, step)) or [((), str(error))]
        for path, why in places:
            model, name, inside = locate(step, path)
            reason, remedy = explain_loss(model, name, why)
            yield Fault(shape, inside, reason, remedy)


def _find_places(steps: JsonSteps, step: Step) -> Iterator[tuple[tuple[Any, ...], str]]:
    """Return the path of each value that does not survive, and what happens to it."""
    try:
        written = steps.write(step)
    except Exception as error:  # of a serializer of the owner's
        for name in [*type(step).model_fields, *type(step).model_computed_fields]:
            if not _is_writable(step, name):
                yield (name,), f"it cannot be written as JSON: {error}"
        return
    try:
        again = steps.parse(written)
    except ValidationError as error:
        for problem in error.errors(include_url=False, include_context=False):
            shown = cut(as_json(problem["input"]), 80)
            path = problem["loc"][steps.tagged :]
            yield path, f"it is written as {shown}, which it does not accept: {problem['msg']}"
    except Exception as error:  # of a validator of the owner's
        yield (), f"what it is written as is not accepted: {type(error).__name__}: {error}"
    else:
        yield from _compare(step, again, ())


def _is_writable(step: Step, name: str) -> bool:
    try:
        step.model_dump(mode="json", include={name})
    except Exception:  # of a serializer of the owner's
        return False
    return True


def _compare(one: Any, other: Any, path: tuple[Any, ...]) -> Iterator[tuple[tuple[Any, ...], str]]:
    if isinstance(one, BaseModel) and type(one) is type(other):
        for name in type(one).model_fields:
            yield from _compare(getattr(one, name), getattr(other, name), (*path, name))
    elif isinstance(one, list | tuple) and type(one) is type(other) and len(one) == len(other):
        for place, pair in enumerate(zip(one, other, strict=True)):
            yield from _compare(*pair, (*path, place))
    elif isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys():
        for key in one:
            yield from _compare(one[key], other[key], (*path, key))
    elif one != other or type(one) is not type(other):
        before, after = cut(repr(one), 80), cut(repr(other), 80)
        yield path, f"{before} becomes {after} when it is written and read again"
