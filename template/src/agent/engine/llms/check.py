"""Checks, before anything runs, that each step can be stored and read again.

A shape that loses a value when it is written would fail at every call, in production. Values are
made from the JSON schema, and each one that is valid has to survive.
"""

from ..log.errors import Misconfigured
from .calls import Calls
from .faults import Fault, find_faults
from .output import JsonSteps
from .schema import list_intents, list_shapes
from .union import SEE


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
    for shape in list_shapes({**steps.definition, "properties": {"next_step": steps.definition}}):
        calls = Calls(steps, shape)
        for step, call in calls:
            for fault in find_faults(steps, step, call):
                found.setdefault((fault.shape, fault.field), fault)
        unchecked += calls.unchecked
    if found:
        listed = "\n".join(f"- {fault}" for fault in found.values())
        raise Misconfigured(f"these steps would fail when a model chooses them. {SEE}\n{listed}")
    return unchecked
