"""The program: which command is meant, and how everything that goes wrong ends."""

import os
import signal
import sys
from types import FrameType
from typing import NoReturn

import typer

from . import cli, report, source, target
from .errors import STOPPED, UsageError, UserError


def main() -> None:
    """Run the program; every mistake ends here, in words and with an exit code."""
    stops: list[int] = []

    def stop(number: int, _frame: FrameType | None) -> NoReturn:
        """Stop once: a second signal would hit the tidying up."""
        for one in target.SIGNALS:
            signal.signal(one, signal.SIG_IGN)
        stops.append(number)
        raise KeyboardInterrupt

    for number in target.SIGNALS:
        signal.signal(number, stop)
    try:
        sys.exit(_app()(standalone_mode=False))
    except (KeyboardInterrupt, typer.Abort):
        failure = UserError("Stopped.", "Nothing was changed.", code=STOPPED)
    except typer.TyperException as error:
        failure = UsageError(error.format_message(), f"See: {source.NAME} --help")
    except OSError as error:
        failure = UserError(f"{error.strerror}: {error.filename}", "Mend that, then try again.")
    except UserError as error:
        failure = error
    report.failed(failure)
    sys.exit(128 + stops[0] if stops and failure.code == STOPPED else failure.code)


def _app() -> typer.Typer:
    """Choose by the first word; a shell that completes gives the words in a variable."""
    shells = (os.environ.get(name, "") for name in ("_TYPER_COMPLETE_ARGS", "COMP_WORDS"))
    words = next((line.split() for line in shells if line), sys.argv)
    if words[1:2] and words[1] in cli.OTHERS:
        from . import commands

        return commands.app
    return cli.app
