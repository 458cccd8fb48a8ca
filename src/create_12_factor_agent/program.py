"""The program: which command is meant, and how everything that goes wrong ends."""

import os
import signal
import sys
from types import FrameType
from typing import NoReturn

import typer

from . import cli, report, source, target
from .errors import UsageError, UserError


def main() -> None:
    """Run the program; every mistake ends here, in words and with an exit code."""
    for number in target.SIGNALS:
        signal.signal(number, _stop)
    try:
        sys.exit(_app()(standalone_mode=False))
    except typer.TyperException as error:
        failure: UserError = UsageError(error.format_message(), f"See: {source.NAME} --help")
    except UserError as error:
        failure = error
    report.failed(failure)
    sys.exit(failure.code)


def _app() -> typer.Typer:
    """Choose by the first word; a shell that completes gives the words in a variable."""
    shells = (os.environ.get(name, "") for name in ("_TYPER_COMPLETE_ARGS", "COMP_WORDS"))
    words = next((line.split() for line in shells if line), sys.argv)
    if words[1:2] and words[1] in cli.OTHERS:
        from . import commands

        return commands.app
    return cli.app


def _stop(number: int, _frame: FrameType | None) -> NoReturn:
    """Stop once: a second signal would hit the tidying up."""
    for one in target.SIGNALS:
        signal.signal(one, signal.SIG_IGN)
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    raise SystemExit(128 + number)
