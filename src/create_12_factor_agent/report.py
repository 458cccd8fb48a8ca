"""Everything the terminal shows: data on standard output, talk on standard error.

Colours, lines and spinners only where a terminal can show them and nobody said NO_COLOR.
"""

import json
import os
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING, Any, Literal

from .errors import UserError

if TYPE_CHECKING:
    from rich.console import Console


def data(text: str) -> None:
    """Print what another program would read; what the stream cannot encode with escapes."""
    encoding = sys.stdout.encoding
    sys.stdout.write(text.encode(encoding, "backslashreplace").decode(encoding) + "\n")


def as_json(value: Mapping[str, object]) -> None:
    """Print what another program would read, as JSON."""
    is_unicode = sys.stdout.encoding.lower().startswith("utf")  # a pipe of Windows is not
    data(json.dumps(value, indent=2, ensure_ascii=not is_unicode))


def defaults(answers: Mapping[str, object]) -> None:
    """Tell what nobody answered."""
    if answers:
        _talk().print("Taken by default:")
    for name, answer in answers.items():
        _talk().print(f"  {name}: {', '.join(answer) if isinstance(answer, list) else answer}")
    _talk().print()


@contextmanager
def busy(what: str) -> Iterator[None]:
    """Tell that something takes its time, for as long as it does."""
    if _talk().is_terminal and not _talk().is_dumb_terminal:
        with _talk().status(f"{what} …"):
            yield
    else:
        _talk().print(f"{what} ...")
        yield


def created(
    path: Path, files: Iterable[str], notes: Iterable[str], steps: Iterable[tuple[str, str]]
) -> None:
    """Show what was made, what did not work, and how to go on."""
    _show(path.name, files)
    for note in notes:
        _talk().print(f"Note: {note}", style="yellow")
    for what, command in steps:
        _talk().print(f"{what}:")
        _talk().print(f"  {command}", style="bold")
    data(str(path))


def pages(answers: Mapping[str, Any], files: Iterable[str]) -> None:
    """Name the page of each trigger that is among files."""
    files = {*files}
    for trigger in answers.get("trigger", ()):
        if f"docs/{trigger}.md" in files:
            say(f"Set it up: docs/{trigger}.md")


def say(text: str, style: str = "") -> None:
    """Say something to a person."""
    _talk().print(text, style=style)


def verbatim(text: str) -> None:
    """Show a person what can be copied: nothing of it is changed, tabs included."""
    sys.stderr.write(text.encode(errors="backslashreplace").decode() + "\n")


def listed(heading: str, lines: Iterable[str], style: str = "") -> None:
    """Show lines under a heading; neither where there are no lines."""
    lines = [*lines]
    if lines:
        say(heading, style=style)
    for line in lines:
        say(f"  {line}")


def failed(error: UserError) -> None:
    """Tell what went wrong and what to do now."""
    _talk().print(f"Error: {error.problem}", style="red")
    _talk().print(error.hint)


@cache
def _talk() -> "Console":
    from rich.console import Console

    # Rich itself drops only the colours where NO_COLOR is set, and keeps bold.
    styles: Literal["auto"] | None = None if os.environ.get("NO_COLOR") else "auto"
    return Console(
        stderr=True, color_system=styles, highlight=False, markup=False, emoji=False, soft_wrap=True
    )


def _show(name: str, files: Iterable[str]) -> None:
    """Show the folders with the number of their files, then the files beside them."""
    count = Counter(_branch(file) for file in files)
    _talk().print(f"{name}/", style="bold")
    for folder in sorted(branch for branch in count if branch.endswith("/")):
        _talk().print(f"  {folder:<18} {count[folder]:>3} file{'s' * (count[folder] > 1)}")
    beside = "  ".join(sorted(branch for branch in count if not branch.endswith("/")))
    width = min(_talk().width, 100)
    _talk().print(fill(beside, width, initial_indent="  ", subsequent_indent="  "))
    _talk().print()


def _branch(file: str) -> str:
    """Return the folder that `file` is counted in, or the file itself."""
    if "/" not in file:
        return file
    return file[: file.index("/", len("src/") if file.startswith("src/") else 0) + 1]
