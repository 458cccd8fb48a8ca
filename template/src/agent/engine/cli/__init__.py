"""The command line: talk to the agent, answer its questions, read its log.

A mistake ends in one plain line and exit code 1, wrong usage in 2, a thread that waits for a
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
from ..characters import clean
from ..log.errors import AgentError
from ..runners.app import Build
from .answers import answer, approve, edit, inbox, reject
from .costs import costs
from .demo import demo
from .doctor import doctor
from .forget import forget
from .format import mark_lines
from .remarks import rate, revoke
from .restored import restored
from .run import run, worker
from .screen import Screen
from .script import find_scripts
from .threads import cancel, fork, show, threads

Mount = Callable[[typer.Typer, Build], None]
COMMANDS = (
    *(run, inbox, approve, reject, edit, answer, threads, show, rate, revoke, fork, cancel),
    *(costs, forget, restored, worker, doctor),
)


def run_command_line(build: Build, *mounts: Mount) -> None:
    """Run the command that this process was started with; each mount may add some."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]  # real streams
    build_commands(build, *mounts)()


def build_commands(build: Build, *mounts: Mount) -> typer.Typer:
    """Make one program of all commands."""
    cli = typer.Typer(
        cls=_Commands,
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )

    @cli.callback()
    def prepare(ctx: typer.Context) -> None:
        """Talk to the agent, answer its questions, look at what it did."""
        settings.load()
        ctx.obj = build

    cli.command(hidden=not find_scripts())(_run_sync(demo))
    for command in COMMANDS:
        cli.command()(_run_sync(command))
    for mount in mounts:
        mount(cli, build)
    return cli


def _run_sync(command: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    @wraps(command)
    def run(*values: Any, **named: Any) -> None:
        asyncio.run(command(*values, **named))

    return run


class _Commands(TyperGroup):
    """Prints every `AgentError` as one plain message."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except AgentError as error:
            Screen().show(mark_lines("agent: ", clean(str(error))), "red")
            for note in getattr(error, "__notes__", ()):
                Screen().say(note)
            raise typer.Exit(1) from None
