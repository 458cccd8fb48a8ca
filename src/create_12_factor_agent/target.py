"""The place of a new repository: is it free, and how does everything get there at once.

Work is done in a hidden folder near the target and moved when it is complete; whatever stops it
before that leaves no trace. `program` turns signals into exceptions: this holds for them too.
"""

import shlex
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from . import source, temporary
from .errors import UserError

SIGNALS = [
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
]
"""What may stop this program; Windows has fewer of them."""

ELSEWHERE = "Choose another folder."

_STAGING = f".{temporary.PREFIX}"


def available(target: Path) -> Path:
    """Return the absolute target if a repository can be made there.

    An empty folder is such a place; so is a folder with nothing but a `.git`.
    """
    try:
        target = target.resolve()
        temporary.sweep(target, _STAGING)
        taken = target.exists() and {entry.name for entry in target.iterdir()} - {".git"}
    except OSError as error:
        raise UserError(f"Cannot use {target}: {error.strerror}.", ELSEWHERE) from error
    if taken:
        adopt = f"{source.NAME} adopt {shlex.quote(str(target))}"
        into = f" To bring an agent into the project there: {adopt}"
        is_project = (target / "pyproject.toml").is_file()
        raise UserError(f"Already there and not empty: {target}", ELSEWHERE + into * is_project)
    return target


def problem_with(target: Path) -> str:
    """Tell why `target` is not available; empty where it is."""
    try:
        available(target)
    except UserError as error:
        return error.problem
    return ""


@contextmanager
def staging(target: Path) -> Iterator[Path]:
    """Give a folder on the target's own file system, gone afterwards."""
    near = next(folder for folder in (target, *target.parents) if folder.exists())
    with temporary.folder(_STAGING, near) as folder:
        yield folder


def publish(made: Path, target: Path) -> None:
    """Move what was made to its place: all of it, or nothing."""
    parents = [folder for folder in target.parents if not folder.exists()]
    moved: list[Path] = []
    with signals_held():
        try:
            if not target.exists():
                target.parent.mkdir(parents=True, exist_ok=True)
                made.rename(target)
                return
            for entry in made.iterdir():
                if (target / entry.name).exists():
                    raise UserError(f"{target} is not empty any more.", ELSEWHERE)
                moved.append(entry.rename(target / entry.name))
        except BaseException:
            for entry in moved:
                entry.rename(made / entry.name)
            for folder in parents:
                with suppress(OSError):
                    folder.rmdir()
            raise


@contextmanager
def signals_held() -> Iterator[None]:
    """Ignore signals for the few milliseconds that could not be undone halfway."""
    before = [signal.signal(one, signal.SIG_IGN) for one in SIGNALS]
    try:
        yield
    finally:
        for one, handler in zip(SIGNALS, before, strict=True):
            signal.signal(one, handler)
