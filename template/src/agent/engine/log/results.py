"""What the calls of one shape brought: for rules over several calls, such as a limit on a sum."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar, get_args

from .events import CallJson, Event, as_json

if TYPE_CHECKING:
    from pydantic import BaseModel  # the log itself needs none of it


S = TypeVar("S", bound="BaseModel")


@dataclass(frozen=True)
class Result(Generic[S]):
    step: S
    """The call as it ran."""
    output: Any
    """What the tool returned; of what a person said, their words."""
    source: Literal["tool", "happened", "done"] = "tool"
    """The tool itself, a person who confirmed that it happened, or a report on a job."""


def list_results(events: Iterable[Event], shape: type[S]) -> list[Result[S]]:
    intents = get_args(shape.model_fields["intent"].annotation)
    calls: dict[int, CallJson] = {}
    waits: dict[int, Event] = {}
    found: dict[int, Result[S]] = {}

    def add(step: int, output: Any, source: Literal["tool", "happened", "done"]) -> None:
        if step in calls:
            found.setdefault(step, Result(_read(shape, calls[step]), output, source))

    last = 0
    for event in events:
        data = event.data
        match event.type:
            case "step":
                last = event.seq
                if data["call"]["intent"] in intents:
                    calls[last] = data["call"]
            case "paused":
                waits[event.seq] = event
            case "tool_finished":
                add(data["step"], data["output"], "tool")
            case "resumed" if data["verdict"] == "edit" and last in calls:
                calls[last] = data["call"]
            case "resumed" if data["verdict"] in ("happened", "done") and data["wait"] in waits:
                step = waits[data["wait"]].data.get("step", 0)
                add(step, data.get("text", ""), data["verdict"])
    return list(found.values())


def _read(shape: type[S], call: CallJson) -> S:
    try:
        return shape.model_validate_json(as_json(call))
    except ValueError:
        return shape.model_construct(**call)
