"""A model that follows a script, for tests and for runs without an API key.

Its place in the script is derived from the prompt, so a thread may be paused, killed, forked and
continued in another process. If the script does not fit, that is an error; it never guesses.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from ..context.blocks import block
from ..context.window import Prompt
from ..log.errors import Misconfigured
from ..log.events import CallJson
from ..loop.ports import Reply
from .schema import list_intents

DEMO = "sample/deploy/demo.jsonl"


@dataclass(frozen=True)
class Line:
    step: CallJson | str
    """A call, or the raw text of a reply that is wrong on purpose."""
    expect: str = ""
    """Text that the prompt must contain by now."""


class ScriptedLLM:
    def __init__(self, *lines: Line, name: str = "the script") -> None:
        self._lines = lines
        self._name = name

    @classmethod
    def of(cls, *steps: CallJson | str) -> Self:
        """Make a model that answers with these, one for each decision."""
        return cls(*(Line(step) for step in steps))

    @classmethod
    def from_env(cls, path: str) -> Self:
        """`MODEL=scripted:<file>`, or `MODEL=scripted` for the demo."""
        return cls.from_file(path or DEMO)

    @classmethod
    def from_file(cls, path: str | Path) -> Self:
        """Read `{"step": …, "expect": …}` from a JSON Lines file. Raises Misconfigured."""
        lines = []
        for place, entry in enumerate(read_lines(Path(path)), 1):
            match entry:
                case {"step": dict() | str() as step, **rest} if rest.keys() <= {"expect"}:
                    lines.append(Line(step, str(rest.get("expect", ""))))
                case _:
                    raise Misconfigured(f'step {place} of {str(path)!r} is not {{"step": …}}')
        return cls(*lines, name=str(path))

    async def __call__(self, prompt: Prompt, schema: dict[str, Any]) -> Reply:
        place = _count_decisions(prompt, schema)
        if place >= len(self._lines):
            steps = f"has {len(self._lines)} steps, and this thread needs another one"
            raise Misconfigured(f"{self._name} {steps}. Set MODEL to a real model to continue.")
        line = self._lines[place]
        if line.expect not in "\n".join(prompt.blocks):
            missing = f"step {place + 1} expects {line.expect!r} in the prompt"
            raise Misconfigured(f"{self._name} does not fit this thread: {missing}")
        said = line.step if isinstance(line.step, str) else json.dumps({"next_step": line.step})
        return Reply(said, tokens={}, model="scripted")


def read_lines(path: Path) -> list[dict[str, Any]]:
    """Return the JSON objects of a file with one on each line; blank lines are skipped.

    Raises:
        Misconfigured: the file cannot be read, or a line is not an object.
    """
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise Misconfigured(f"{str(path)!r} cannot be read: {error}") from None
    return [_parse_object(path, place, line) for place, line in enumerate(lines, 1) if line.strip()]


def _parse_object(path: Path, place: int, line: str) -> dict[str, Any]:
    try:
        value = json.loads(line)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise Misconfigured(
            f"{str(path)!r}, line {place}, is not a JSON object. Correct or delete it."
        )
    return value


def _count_decisions(prompt: Prompt, schema: dict[str, Any]) -> int:
    tags = (*list_intents(schema), "invalid_step")
    openings = tuple(block(tag, "").partition("\n")[0] for tag in tags)
    if any(event.startswith("<earlier_events>") for event in prompt.blocks):
        raise Misconfigured("the thread was compacted, so its place in the script is lost")
    return sum(event.startswith(openings) for event in prompt.blocks)
