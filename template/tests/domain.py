"""A small domain for the tests of the core, so that they stay green when the sample goes.

Its tools write into the *world*: a database of its own, in which every effect can be counted.
"""

import sqlite3
from pathlib import Path
from typing import Any, Literal

from agent.actions import Action, Ask, Finish, Run, Step, Wait
from agent.channels.poll import PollChannel
from agent.context import Prompts
from agent.errors import ToolError
from agent.llms.output import JsonSteps
from agent.ports import LLM, Agent, Store
from agent.state import Limits


class Look(Step):
    """Read something; looking twice does no harm."""

    intent: Literal["look"]
    at: str


class Put(Step):
    """Put a value somewhere; putting it twice with the same key is putting it once."""

    intent: Literal["put"]
    value: str


class Charge(Step):
    """Take money; doing it twice is a crime. More than 100 needs leave."""

    intent: Literal["charge"]
    amount: int


class AskPerson(Step):
    intent: Literal["ask_person"]
    question: str


class Sleep(Step):
    intent: Literal["sleep"]
    seconds: float


class Unhandled(Step):
    """The switch below forgot this one."""

    intent: Literal["unhandled"]


class Done(Step):
    intent: Literal["done"]
    message: str


STEPS = JsonSteps(Look | Put | Charge | AskPerson | Sleep | Unhandled | Done)


class World:
    """Counts effects by key, in a file of its own."""

    def __init__(self, path: Path | str) -> None:
        self.path = str(path)
        with self._db() as db:
            db.execute("CREATE TABLE IF NOT EXISTS effects (tool TEXT, key TEXT, value TEXT)")

    def _db(self) -> sqlite3.Connection:
        return sqlite3.connect(self.path, timeout=10)

    def put(self, step: Put, key: str) -> str:
        """Idempotent: the same key again is the same effect."""
        with self._db() as db:
            db.execute("BEGIN IMMEDIATE")
            if not db.execute("SELECT 1 FROM effects WHERE key = ?", (key,)).fetchone():
                db.execute("INSERT INTO effects VALUES ('put', ?, ?)", (key, step.value))
        return f"put {step.value}"

    def charge(self, step: Charge, key: str) -> str:
        """Not idempotent: each call is another effect."""
        if step.amount < 0:
            raise ToolError("a negative amount")
        with self._db() as db:
            db.execute("INSERT INTO effects VALUES ('charge', ?, ?)", (key, str(step.amount)))
        return f"charged {step.amount}"

    def effects(self, tool: str) -> list[str]:
        with self._db() as db:
            rows = db.execute("SELECT value FROM effects WHERE tool = ? ORDER BY rowid", (tool,))
            return [value for (value,) in rows.fetchall()]


def decide_in(world: World) -> Any:
    """Return the switch of this domain, its effects going to `world`."""

    def decide(step: Any) -> Action | None:
        match step:
            case Look(at=place):
                return Run(lambda step, key: f"saw {place}", effect="read")
            case Put():
                return Run(world.put, effect="idempotent")
            case Charge(amount=amount) if amount > 100:
                return Run(world.charge, approvers=("owner",), expires_s=3600)
            case Charge():
                return Run(world.charge)
            case AskPerson(question=question):
                return Ask(question)
            case Sleep(seconds=seconds):
                return Wait("a nap", seconds)
            case Done(message=message):
                return Finish(message)
        return None

    return decide


def agent_of(store: Store, llm: LLM, world: World, **changes: Any) -> Agent:
    """Plug an agent of this domain together."""
    parts: dict[str, Any] = {
        "store": store,
        "llm": llm,
        "channels": {"poll": PollChannel()},
        "steps": STEPS,
        "decide": decide_in(world),
        "prompts": Prompts("You are a test.", "What next?"),
        "limits": Limits(steps=20, errors=3, tokens=10_000),
    }
    return Agent(**parts | changes)
