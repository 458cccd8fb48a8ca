"""The agent of soak.py. Each effect of its tools is a row in a database of its own, the world.

The row has the idempotency key of the call. `reserve` honours the key, as a good service does;
`charge` and `ship` do not, so a second run of either is a second row.
"""

import os
import random
import sqlite3
import time
from contextlib import closing
from typing import Any, Literal

from .engine import Action, Agent, Ask, Call, Finish, Limits, Run, Step, Thread

PAUSE_S = 0.1
"""How long a tool works before its effect, and after it, at most: kills have to find it there."""
ADD = """
    INSERT INTO effects (thread, tool, key) SELECT ?, ?, ?
    WHERE ? OR NOT EXISTS (SELECT 1 FROM effects WHERE key = ?)
"""


class Reserve(Step):
    """Reserve an item."""

    intent: Literal["reserve"]
    item: str


class Charge(Step):
    """Charge the customer, once a person approved it."""

    intent: Literal["charge"]
    amount: int


class AskColor(Step):
    """Ask which colour it has to be."""

    intent: Literal["ask_color"]
    question: str


class Ship(Step):
    """Ship the item."""

    intent: Literal["ship"]
    item: str


class Done(Step):
    """Everything is done."""

    intent: Literal["done"]
    message: str


Order = Reserve | Charge | AskColor | Ship | Done


def decide(step: Order, _: Thread) -> Action:
    match step:
        case Reserve():
            return Run(change_world, effect="idempotent")
        case Charge():
            return Run(change_world, approvers=("owner",), title=f"Charge {step.amount} EUR")
        case AskColor():
            return Ask(step.question)
        case Ship():
            return Run(change_world)
        case Done():
            return Finish(step.message)


def change_world(step: Reserve | Charge | Ship, call: Call) -> dict[str, Any]:
    _work()
    again = step.intent != "reserve"
    with closing(sqlite3.connect(os.environ["WORLD"], timeout=30)) as db, db:
        db.execute(ADD, (call.thread.id, step.intent, call.key, again, call.key))
    _work()
    return {"done": step.intent}


def _work() -> None:
    time.sleep(random.uniform(0, PAUSE_S))  # noqa: S311


agent = Agent(
    steps=Order,
    decide=decide,
    prompts="Take an order.",
    limits=Limits(steps=30, errors=3, tokens=500_000),
)
