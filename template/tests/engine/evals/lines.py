"""Cases of the tests' domain, as lines of a file."""

import json
from pathlib import Path
from typing import Any

FOLDER = Path("evals/test")
RECORDINGS = FOLDER / "recordings.jsonl"
LOOK = {"intent": "look", "at": "the sky"}
PUT = {"intent": "put", "value": "a cup"}
CHARGE = {"intent": "charge", "amount": 500}
DONE = {"intent": "done", "message": "It is done."}
HELLO = {"type": "message", "actor": "ana", "data": {"text": "hello", "source": "user"}}


def make_line(name: str = "a", expect: Any = LOOK, **changes: Any) -> dict[str, Any]:
    """Return a case; what is None is left out."""
    line = {"name": name, "expect": expect, "thread": [HELLO], **changes}
    return {key: value for key, value in line.items() if value is not None}


def write_lines(*lines: Any, name: str = "some") -> None:
    path = FOLDER / f"{name}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(map(json.dumps, lines)), "utf-8")
