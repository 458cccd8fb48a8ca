"""`agent doctor`: whether the agent can start, found out without asking a model."""

from collections.abc import Awaitable, Callable
from functools import partial

import typer

from .. import settings
from ..log.errors import AgentError
from ..people.identity import find_local_user
from ..runners.app import App, Build, no_model
from ..runners.reports import explain
from .screen import Screen

Check = Callable[[], Awaitable[object]]


async def doctor(ctx: typer.Context) -> None:
    """Check that the agent can start, without asking a model.

    It looks at people.toml, app.py, the store, the triggers and the models. Exit code 1 says that
    something is wrong.
    """
    build, screen = ctx.obj, Screen()
    wrong = await _check(screen, "people.toml", _read_people)
    try:
        app = build(no_model)
    except AgentError as error:
        _report(screen, "app.py", explain(error))
        raise typer.Exit(1) from None
    _report(screen, "app.py", "")
    wrong += await _check(screen, "store", lambda: app.ports.store.threads(limit=1))
    wrong += await _check(screen, "triggers", lambda: _set_up(app))
    for name in app.ports.agents:
        wrong += await _check(screen, f"model of {name}", partial(_bind_model, build, name))
    raise typer.Exit(1 if wrong else 0)


async def _check(screen: Screen, subject: str, check: Check) -> int:
    """Report a check, and return how many problems it found."""
    try:
        await check()
    except AgentError as error:
        _report(screen, subject, explain(error))
        return 1
    _report(screen, subject, "")
    return 0


def _report(screen: Screen, subject: str, problem: str) -> None:
    line = " ".join(f"{subject}: {problem}".split()) if problem else subject
    screen.write(f"{'BAD ' if problem else 'ok  '} {line}")


async def _read_people() -> None:
    find_local_user()


async def _set_up(app: App) -> None:
    for trigger in app.triggers:
        trigger(app)


async def _bind_model(build: Build, agent: str) -> None:
    """Make the client of an agent's model, which needs its key, its address and its part."""
    model = settings.required_model(agent)
    build(lambda name: model if name == agent else "")
