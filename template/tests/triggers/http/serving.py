"""`agent serve` with the domain of the tests, for tests of a real server: its own process."""

import os
import time
from pathlib import Path
from typing import Any

import typer

from agent.actions import Action, Run
from agent.llms.scripted import scripted
from agent.runners.local import LocalRunner
from agent.stores.sqlite import SqliteStore
from agent.triggers import App
from agent.triggers.http import mount

from ...domain import Charge, World, agent_of, decide_in

SCRIPT = (
    {"intent": "charge", "amount": 7},
    {"intent": "charge", "amount": 500},
    {"intent": "done", "message": "bye"},
)


def build(model: str) -> App:
    folder = Path(os.environ["FOLDER"])
    world = World(folder / "world.db")
    decide = decide_in(world)

    def slowly(step: Charge, key: str) -> str:
        time.sleep(1)
        return world.charge(step, key)

    def decide_slowly(step: Any) -> Action | None:
        return Run(slowly) if step == Charge(intent="charge", amount=7) else decide(step)

    store = SqliteStore(folder / "threads.db")
    agent = agent_of(store, scripted(*SCRIPT), world, decide=decide_slowly)
    return App(agent, LocalRunner(agent, poll_s=0.1))


cli = typer.Typer()


@cli.callback()
def main() -> None:
    """Keeps `serve` a command, as it is beside others."""


mount(cli, build)

if __name__ == "__main__":
    cli()
