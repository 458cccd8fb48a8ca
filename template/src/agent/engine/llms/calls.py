"""Makes valid calls of one shape, with several values of each field."""

from collections.abc import Iterator
from typing import Any

from pydantic import ValidationError

from ..log.events import CallJson
from ..loop.steps import Step
from .output import JsonSteps
from .samples import make_samples

ROUNDS = 12
"""How many calls are made at most, beside those that leave out a field."""


class Calls:
    """Iterating fills `unchecked`."""

    def __init__(self, steps: JsonSteps, shape: dict[str, Any]) -> None:
        self._steps, self._shape = steps, shape
        self._required = {*shape.get("required", ())}
        definitions = steps.definition.get("$defs", {})
        self._columns = {
            name: make_samples(node, definitions) for name, node in shape["properties"].items()
        }
        self.unchecked: list[str] = []
        """What could not be checked, and what to do about it."""

    def __iter__(self) -> Iterator[tuple[Step, CallJson]]:
        first = self._find_first()
        if first is None:
            return
        rounds = min(ROUNDS, max(map(len, self._columns.values())))
        for place in range(rounds):
            call = {name: self._pick(name, place, value) for name, value in first.items()}
            step, wrong = self._read(call)
            if wrong:  # the others are still tried
                call = {name: first[name] if name in wrong else call[name] for name in call}
                step, wrong = self._read(call)
            if step is not None:
                yield step, call
        optional = [name for name in self._shape["properties"] if name not in self._required]
        for name in optional:
            less = {key: value for key, value in first.items() if key != name}
            step, _ = self._read(less)
            if step is not None:
                yield step, less

    def _pick(self, name: str, place: int, first: Any) -> Any:
        values = self._columns[name]
        return values[(values.index(first) + place) % len(values)]

    def _find_first(self) -> CallJson | None:
        """Return a valid call; fields that are optional and have no valid value are left out."""
        places = dict.fromkeys(self._columns, 0)
        while True:
            left = {name: values[places.get(name, 0) :] for name, values in self._columns.items()}
            call = {name: values[0] for name, values in left.items() if name in places and values}
            for name in [name for name in places if name not in call]:
                self._warn(name)
                del places[name]
                if name in self._required:
                    return None
            step, wrong = self._read(call)
            if step is not None:
                return call
            others = {name for name in call if places[name] + 1 < len(self._columns[name])}
            if not wrong and not others:
                self._warn("")
                return None
            for name in wrong or others:  # a rule about several fields: another one of each
                places[name] += 1

    def _read(self, call: CallJson) -> tuple[Step | None, set[str]]:
        """Return the typed step, or the names of the fields that are wrong, as far as known."""
        try:
            return self._steps.parse(call), set()
        except ValidationError as error:
            problems = error.errors(include_url=False, include_context=False, include_input=False)
            paths = [problem["loc"][self._steps.tagged :] for problem in problems]
            return None, {str(path[0]) for path in paths if path} & call.keys()
        except Exception:  # of a validator of the owner's
            return None, set()

    def _warn(self, field: str) -> None:
        title = self._shape.get("title", "a shape")
        place, what = (f"{title}.{field}", "value") if field else (title, "call")
        hint = "Add valid values: Field(examples=[…])"
        self.unchecked.append(f"{place}: no valid {what} was found to check it with. {hint}")
