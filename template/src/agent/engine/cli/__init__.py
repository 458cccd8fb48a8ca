"""The command line: talk to the agent here, answer it from here, look at its log.

People's mistakes end in one plain line and exit code 1, wrong usage in 2, what waits for a
person in 3, Ctrl-C in 130. Starting it imports neither Rich nor a model's SDK.
"""

import asyncio
import sys
from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any

import typer
from typer.core import TyperGroup

from .. import settings
from ..log.errors import AgentError
from ..runners.app import Build
from .answers import answer, approve, edit, inbox, reject
from .demo import demo
from .run import run, worker
from .screen import Screen
from .threads import cancel, fork, show, threads

Mount = Callable[[typer.Typer, Build], None]
COMMANDS = (demo, run, inbox, approve, reject, edit, answer, threads, show, fork, cancel, worker)


def command_line(build: Build, *mounts: Mount) -> None:
    """Run the command that this process was started with; each mount may add some."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]  # real streams
    commands(build, *mounts)()


def commands(build: Build, *mounts: Mount) -> typer.Typer:
    """Put the commands together."""
    cli = typer.Typer(
        cls=_Commands,
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )

    @cli.callback()
    def ports(ctx: typer.Context) -> None:
        """Talk to the agent, answer what it asks, look at what it did."""
        settings.load()
        ctx.obj = build

    for command in COMMANDS:
        cli.command()(_at_once(command))
    for mount in mounts:
        mount(cli, build)
    return cli


def _at_once(command: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    @wraps(command)
    def run(*values: Any, **named: Any) -> None:
        asyncio.run(command(*values, **named))

    return run


class _Commands(TyperGroup):
    """Ends every mistake of a person in one plain message."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except AgentError as error:
            Screen().say(f"agent: {error}", "red")
            for note in getattr(error, "__notes__", ()):
                Screen().say(note)
            raise typer.Exit(1) from None
