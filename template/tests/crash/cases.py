"""What the processes do that are killed. To put your own tools through the sweep, add one line
to `SWEPT`, with `decide` from your `agent.control_flow` and `NextStep` from your `agent.tools`:

    "mine": Case([{"intent": "list_git_tags"}, …, {"intent": "done_for_now", …}],
                 JsonSteps(NextStep), decide),

Write out every field of a call. Your tools are not run: each becomes one row in the world, under
the effect and the approvers that your `decide` gives it. So the sweep shows what crashes do to
*your* policy: what you call `idempotent` is run again with the same key, `once` is asked about.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from agent.actions import Action
from agent.events import Call
from agent.ports import Steps

from ..domain import STEPS, World, decide_in

_decide = decide_in(World(":memory:"))


def _broken(step: Any) -> Action:
    raise KeyError("a mistake in the owner's switch")


@dataclass(frozen=True)
class Case:
    calls: list[Call]
    """What the model says, one step after the other; the last one finishes."""
    steps: Steps = STEPS
    decide: Callable[[Any], Any] = _decide


LOOK: Call = {"intent": "look", "at": "the door"}
PUT: Call = {"intent": "put", "value": "a lamp"}
CHARGE: Call = {"intent": "charge", "amount": 7}
CHARGE_A_LOT: Call = {"intent": "charge", "amount": 500}
ASK: Call = {"intent": "ask_person", "question": "Which door?"}
DONE: Call = {"intent": "done", "message": "Done."}

SWEPT = {
    "approval": Case([LOOK, PUT, CHARGE_A_LOT, DONE]),
    "question": Case([ASK, CHARGE, PUT, PUT, DONE]),
}

CASES = SWEPT | {
    "charge": Case([CHARGE, DONE]),
    "put": Case([PUT, DONE]),
    "leave": Case([PUT, CHARGE_A_LOT, DONE]),
    "done": Case([DONE]),
    "broken": Case([DONE], decide=_broken),
}
