"""`agent jobs`: Procrastinate's own shell, for whoever wants to see or cancel jobs.

Nothing depends on a job: cancel any, and the next sweep finds what it was about.
"""

import asyncio
import shlex
from collections.abc import Callable
from typing import Annotated, Any

import typer
from procrastinate.shell import ProcrastinateShell
from procrastinate.utils import sync_to_async

from ..app import no_model
from . import ProcrastinateRunner

Words = Annotated[
    list[str] | None,
    typer.Argument(metavar="[COMMAND]...", help="As `list_jobs` or `help`; none: ask for some."),
]


def mount(cli: typer.Typer, build: Callable[[str], Any]) -> None:
    """Add the command `jobs`."""

    @cli.command()
    def jobs(words: Words = None) -> None:
        """Look at the jobs of the workers, in Procrastinate's own shell."""
        asyncio.run(_shell(build(no_model).runner, words or []))


async def _shell(runner: ProcrastinateRunner, words: list[str]) -> None:
    shell = ProcrastinateShell((await runner.opened()).job_manager)
    if words:
        await sync_to_async(shell.onecmd, shlex.join(words))
    else:
        await sync_to_async(shell.cmdloop)
