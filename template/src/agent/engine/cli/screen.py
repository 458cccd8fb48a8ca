"""The terminal: results on stdout, talk on stderr, questions only where somebody can answer.

What a terminal would obey is spelled out, so that an approval shows exactly what will run. Rich
is imported only where colours are wanted; elsewhere text is plain, never wrapped or cut.
"""

import asyncio
import os
import re
import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import TextIO

import typer

from ..characters import clean
from ..people.words import shorten
from .format import fold_line

_KEYS = re.compile(r"\x1b(\[[0-?]*[ -/]*[@-~]|O.)|[\x00-\x1f\x7f]")
"""What arrow and control keys leave in a line that is typed."""


class Screen:
    def __init__(self, talk: TextIO | None = None) -> None:
        self._talk = talk or sys.stderr
        self.interactive = sys.stdin.isatty() and self._talk.isatty()
        """Somebody is there to answer."""
        self.chatty = self.interactive and sys.stdout.isatty()
        """Somebody is there to talk: the result is not piped elsewhere."""

    def say(self, text: str = "", style: str = "") -> None:
        """Print a line of the conversation; `style` is one of Rich's."""
        _write(self._talk, clean(text), style)

    def write(self, text: str) -> None:
        """Print a result."""
        _write(sys.stdout, clean(text), "")

    def show(self, lines: Iterable[str], style: str = "", result: bool = False) -> None:
        """Print lines that must not be mistaken for each other: of a call that is approved, say.

        None is cut, and a terminal gets a long one in several rows, of which only the first looks
        like a line.
        """
        stream = sys.stdout if result else self._talk
        for line in lines:
            for row in _fold(stream, clean(line)):
                _write(stream, row, style)

    def table(self, head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> None:
        """Print rows as results; every cell is one line."""
        table = [head, *(tuple(clean(shorten(cell)) for cell in row) for row in rows)]
        widths = [max(map(len, column)) for column in zip(*table, strict=True)]
        for row in table:
            cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
            _write(sys.stdout, "  ".join(cells).rstrip(), "bold" if row is head else "")

    async def ask(self, question: str) -> str | None:
        """Ask for one line, without its surrounding space; None at the end of input."""
        rows = [row for line in clean(question).split("\n") for row in _fold(self._talk, line)]
        print("\n".join(rows), end=" ", file=self._talk, flush=True)
        typed = await _read_line()
        if not typed:
            self.say()
            return None
        return _KEYS.sub("", typed).strip()

    def discard_typed(self) -> None:
        """Discard what was typed ahead: nobody approves what they have not seen."""
        with suppress(ImportError):  # Windows
            from termios import TCIFLUSH, tcflush

            tcflush(sys.stdin, TCIFLUSH)


@contextmanager
def handle_interrupt(leaving: Callable[[], None]) -> Iterator[None]:
    """On Ctrl-C, call `leaving`, wait for the current step and end with exit code 130. A second
    Ctrl-C ends at once. Neither loses anything."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task, "a command is a task"

    def leave() -> None:
        loop.remove_signal_handler(signal.SIGINT)
        signal.signal(signal.SIGINT, lambda *_: os._exit(130))
        leaving()
        task.cancel()

    with suppress(NotImplementedError):  # Windows: the first one ends at once
        loop.add_signal_handler(signal.SIGINT, leave)
    try:
        yield
    except asyncio.CancelledError:
        raise typer.Exit(130) from None


async def _read_line() -> str:
    """Read a line from the terminal; can be cancelled, so that others can answer meanwhile."""
    loop, ready, stdin = asyncio.get_running_loop(), asyncio.Event(), sys.stdin.fileno()
    try:
        loop.add_reader(stdin, ready.set)
    except NotImplementedError:  # Windows
        return await asyncio.to_thread(sys.stdin.readline)
    try:
        await ready.wait()
        return os.read(stdin, 65_536).decode(errors="replace")
    finally:
        loop.remove_reader(stdin)


def _fold(stream: TextIO, line: str) -> Iterable[str]:
    """Return the rows of a line at a terminal; the line itself elsewhere."""
    if not stream.isatty():
        return (line,)
    return fold_line(line, os.get_terminal_size(stream.fileno()).columns or 80)


def _has_colours(stream: TextIO) -> bool:
    dumb = os.environ.get("TERM", "dumb") == "dumb"
    return stream.isatty() and not dumb and not os.environ.get("NO_COLOR")


def _write(stream: TextIO, text: str, style: str) -> None:
    if style and _has_colours(stream):
        from rich.console import Console
        from rich.text import Text

        Console(file=stream).print(Text(text, style), soft_wrap=True)
    else:
        print(text, file=stream, flush=True)
