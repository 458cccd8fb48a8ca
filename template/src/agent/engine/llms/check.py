"""Checks, before anything runs, that each step can be stored and read again.

A shape that loses a value when it is written would fail at every call, in production. Values are
made from the JSON schema, and each one that is valid has to survive.
"""

from collections.abc import Iterator
from typing import Any

from pydantic import ValidationError

from ..log.errors import Misconfigured
from ..log.events import CallJson
from ..loop.steps import Step
from .faults import Fault, find_faults
from .output import JsonSteps
from .samples import make_samples
from .schema import list_intents, list_shapes
from .union import SEE

_ROUNDS = 12
"""How many calls of a shape are tried at most."""


def check_union(steps: JsonSteps) -> list[str]:
    """Check that valid calls of each shape round-trip; return what could not be checked.

    Raises:
        Misconfigured: a valid call does not round-trip. The text names each such shape and field,
            the reason and the remedy.
    """
    if not list_intents(steps.schema):
        raise Misconfigured('a shape needs an intent of its own: `intent: Literal["its_name"]`')
    found: dict[tuple[str, str], Fault] = {}
    unchecked: list[str] = []
    definitions = steps.definition.get("$defs", {})
    for shape in list_shapes({**steps.definition, "properties": {"next_step": steps.definition}}):
        columns = {
            name: make_samples(node, definitions) for name, node in shape["properties"].items()
        }
        calls = _Calls(steps, shape, columns)
        for step, call in calls:
            for fault in find_faults(steps, step, call):
                found.setdefault((fault.shape, fault.field), fault)
        unchecked += calls.unchecked
    if found:
        listed = "\n".join(f"- {fault}" for fault in found.values())
        raise Misconfigured(f"these steps would fail when a model chooses them. {SEE}\n{listed}")
    return unchecked


class _Calls:
    """The valid calls of one shape. Iterating fills `unchecked`."""

    def __init__(
        self, steps: JsonSteps, shape: dict[str, Any], columns: dict[str, list[Any]]
    ) -> None:
        self._steps, self._shape, self._columns = steps, shape, columns
        self.unchecked: list[str] = []

    def __iter__(self) -> Iterator[tuple[Step, CallJson]]:
        first = self._find_first()
        if first is None:
            return
        rounds = min(_ROUNDS, max(map(len, self._columns.values())))
        for place in range(rounds):
            call = {name: self._pick(name, place, value) for name, value in first.items()}
            step, wrong = self._read(call)
            if wrong:  # the others are still tried
                call = {name: first[name] if name in wrong else call[name] for name in call}
                step, wrong = self._read(call)
            if step is not None:
                yield step, call
        for name in self._shape["properties"].keys() - self._shape.get("required", ()):
            less = {key: value for key, value in first.items() if key != name}
            step, _ = self._read(less)
            if step is not None:
                yield step, less

    def _pick(self, name: str, place: int, first: Any) -> Any:
        values = self._columns[name]
        start = values.index(first)
        return values[(start + place) % len(values)]

    def _find_first(self) -> CallJson | None:
        """Return a valid call; fields that are optional and have no valid value are left out."""
        places = dict.fromkeys(self._columns, 0)
        while True:
            call = {
                name: values[places[name]]
                for name, values in self._columns.items()
                if places[name] < len(values)
            }
            for name in places.keys() - call.keys():
                self._warn(name)
                del places[name]
                if name in self._shape.get("required", ()):
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
