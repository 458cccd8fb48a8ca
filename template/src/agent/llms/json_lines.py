"""Scripts and recordings: one JSON object a line."""

import json
from pathlib import Path
from typing import Any

from ..errors import Misconfigured


def read_lines(path: Path) -> list[dict[str, Any]]:
    """Return the objects of a file, blank lines left out.

    Raises:
        Misconfigured: there is no such file, or a line of it is no object.
    """
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise Misconfigured(f"{str(path)!r} cannot be read: {error}") from None
    return [_object(path, place, line) for place, line in enumerate(lines, 1) if line.strip()]


def _object(path: Path, place: int, line: str) -> dict[str, Any]:
    try:
        value = json.loads(line)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise Misconfigured(f"{str(path)!r}, line {place}, is no JSON object: correct or delete it")
    return value
