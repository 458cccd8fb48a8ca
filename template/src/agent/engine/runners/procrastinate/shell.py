"""`agent jobs`: Procrastinate's own shell, to look at jobs or cancel them.

Nothing depends on a job: if you cancel one, the next sweep finds its thread.
"""

import asyncio
import shlex
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..app import ModelOf, no_model

if TYPE_CHECKING:
    from .runner import ProcrastinateRunner

Words = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[COMMAND]...",
        help="For example `list_jobs` or `help`. Without one, a prompt opens.",
    ),
]


def mount(cli: typer.Typer, build: Callable[[ModelOf], Any]) -> None:
    """Add the command `jobs`."""

    @cli.command()
    def jobs(words: Words = None) -> None:
        """Look at the workers' jobs in Procrastinate's own shell."""
        asyncio.run(_run_shell(build(no_model).runner, words or []))


async def _run_shell(runner: "ProcrastinateRunner", words: list[str]) -> None:
    from procrastinate.shell import ProcrastinateShell  # slow to import
    from procrastinate.utils import sync_to_async

    shell = ProcrastinateShell((await runner.open_app()).job_manager)
    if words:
        await sync_to_async(shell.onecmd, shlex.join(words))
    else:
        await sync_to_async(shell.cmdloop)
