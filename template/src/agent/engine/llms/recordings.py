"""Files of recordings: each line is the reply of one model to one prompt."""

import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

from ..files import add_path
from ..log.errors import Misconfigured
from ..loop.ports import Reply
from .scripted import read_lines


def read_replies(path: Path) -> list[dict[str, Any]]:
    """Return the lines of a file that are recordings. Raises Misconfigured."""
    lines = [line for line in read_lines(path) if "about" not in line]
    try:
        for line in lines:
            Reply(**line["reply"])
            line["key"]
    except (KeyError, TypeError):
        raise add_path(Misconfigured("a file is not a recording of a model"), path) from None
    return lines


def list_models(path: Path) -> list[str]:
    """Return the models that a file has recordings of, named as in `MODEL`; none without it."""
    lines = read_replies(path) if path.exists() else []
    return list(dict.fromkeys(str(line.get("model", "")) for line in lines))


def is_scripted(model: str) -> bool:
    """Say whether a recording is of no model, but was written by hand."""
    return model.partition(":")[0] == "scripted"


def drop_stale(path: Path, model: str, used: Collection[str]) -> None:
    """Delete the recordings of `model` that are of other prompts than `used`, or were replaced.

    Once a model is recorded, what was written by hand is deleted, too.
    """
    kept: dict[tuple[str, str], dict[str, Any]] = {}
    about: list[dict[str, Any]] = []
    by_hand = False
    for line in read_lines(path) if path.exists() else ():
        name, key = line.get("model", ""), line.get("key", "")
        if "about" in line:
            about.append(line)
        elif is_scripted(name) and not is_scripted(model):
            by_hand = True
        elif name != model or key in used:
            kept[name, key] = line
    lines = [*([] if by_hand else about), *kept.values()]
    if not lines:
        path.unlink(missing_ok=True)
        return
    new = path.with_suffix(".new")
    new.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
    new.replace(path)
