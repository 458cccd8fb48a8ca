"""Keeps trials in `data/evals/`; the next ones are compared with them."""

import json
from collections.abc import Iterable
from dataclasses import asdict
from datetime import datetime
from pathlib import Path

from ..files import make_private_folder, open_private
from ..log.errors import Misconfigured
from .trials import Key, ModelCall, Trial

FOLDER = Path("data/evals")
KEPT = 20
"""Files; older ones are deleted."""


def save(trials: Iterable[Trial], at: datetime) -> Path:
    """Save trials that ended together, and return their file."""
    make_private_folder(FOLDER.parent)
    make_private_folder(FOLDER)
    path = FOLDER / f"{at:%Y%m%dT%H%M%S%f}.json"
    saved = {"at": at.isoformat(), "trials": [asdict(trial) for trial in trials]}
    written = path.with_suffix(".new")
    with open_private(written) as stream:
        stream.write(json.dumps(saved, indent=1) + "\n")
    written.replace(path)
    for old in _list_files()[KEPT:]:
        old.unlink(missing_ok=True)
    return path


def find_last(keys: Iterable[Key]) -> dict[Key, Trial]:
    """Return the last saved trial of each of these cases and models. Raises Misconfigured."""
    wanted, found = set(keys), dict[Key, Trial]()
    for path in _list_files():
        for trial in _read(path) if wanted - found.keys() else ():
            if trial.key in wanted:
                found.setdefault(trial.key, trial)
    return found


def _list_files() -> list[Path]:
    """Return the files, the newest first."""
    return sorted(FOLDER.glob("*.json"), reverse=True)


def _read(path: Path) -> list[Trial]:
    try:
        lines = json.loads(path.read_text("utf-8"))["trials"]
        return [
            Trial(**line | {"calls": tuple(ModelCall(**call) for call in line["calls"])})
            for line in lines
        ]
    except (OSError, ValueError, LookupError, TypeError) as error:
        problem = f"{type(error).__name__}: {error}"
        raise Misconfigured(f"{str(path)!r} cannot be read ({problem}). Delete it.") from None
