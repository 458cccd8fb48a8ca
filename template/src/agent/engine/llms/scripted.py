"""A model that follows a script, for tests and for runs without an API key.

Its place in the script is derived from the prompt, so a thread may be paused, killed, forked and
continued in another process. If the script does not fit, that is an error; it never guesses.
"""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from ..context.window import Prompt
from ..files import add_path
from ..log.errors import Misconfigured, ModelRefused
from ..log.events import CallJson
from ..loop.ports import Reply

_KEYS = {"expect", "answers", "replies"}


@dataclass(frozen=True)
class Line:
    step: CallJson | str
    """A call, or the raw text of a reply that is wrong on purpose."""
    expect: str = ""
    """Text that the prompt must contain by now."""
    replies: tuple[CallJson, ...] = ()
    """What is answered to the questions of its tool, one after the other."""


class ScriptedLLM:
    def __init__(self, *lines: Line, path: str | Path = "") -> None:
        self._lines = lines
        self._path = path

    @classmethod
    def of(cls, *steps: CallJson | str) -> Self:
        """Make a model that answers with these, one for each decision."""
        return cls(*(Line(step) for step in steps))

    @classmethod
    def from_env(cls, path: str) -> Self:
        """`MODEL=scripted:<file>`."""
        if not path:
            raise Misconfigured("MODEL=scripted does not name a file. Write MODEL=scripted:<file>")
        return cls.from_file(path)

    @classmethod
    def from_file(cls, path: str | Path) -> Self:
        """Read `{"step": …, "expect": …, "replies": […]}` from a JSON Lines file.

        In the script of a demo, the line `{"task": …}` and `answers` are not for the model.

        Raises:
            Misconfigured: the file cannot be read, or a line is something else.
        """
        lines = []
        entries = (entry for entry in read_lines(Path(path)) if "task" not in entry)
        for place, entry in enumerate(entries, 1):
            match entry:
                case {"step": dict() | str() as step, **rest} if rest.keys() <= _KEYS:
                    replies = tuple(rest.get("replies", ()))
                    lines.append(Line(step, str(rest.get("expect", "")), replies))
                case _:
                    problem = f'step {place} of the script is not a {{"step": …}}'
                    raise add_path(Misconfigured(problem), path)
        return cls(*lines, path=path)

    async def __call__(self, prompt: Prompt, schema: dict[str, Any]) -> Reply:
        if prompt.question:
            return self._reply(prompt)
        place = prompt.decisions
        if place >= len(self._lines):
            steps = f"has {len(self._lines)} steps, and this thread needs another one"
            raise self._refuse(f"the script {steps}. Set MODEL to a real model to continue.")
        line = self._lines[place]
        if line.expect not in "\n".join(prompt.blocks):
            missing = f"step {place + 1} expects {line.expect!r} in the prompt"
            raise self._refuse(f"the script does not fit this thread: {missing}")
        said = line.step if isinstance(line.step, str) else json.dumps({"next_step": line.step})
        return Reply(said, tokens={}, model="scripted")

    def _reply(self, prompt: Prompt) -> Reply:
        """Answer a question that a tool asks."""
        replies = self._lines[prompt.decisions - 1].replies
        if prompt.question > len(replies):
            asks = f"question {prompt.question} of the tool of step {prompt.decisions}"
            raise self._refuse(f"the script has no reply to {asks}: add it to `replies`")
        said = json.dumps({"next_step": replies[prompt.question - 1]})
        return Reply(said, tokens={}, model="scripted")

    def _refuse(self, problem: str) -> ModelRefused:
        error = ModelRefused(problem)
        return add_path(error, self._path) if self._path else error


def read_lines(path: Path) -> list[dict[str, Any]]:
    """Return the JSON objects of a file with one on each line; blank lines are skipped.

    Raises:
        Misconfigured: the file cannot be read, or a line is not an object.
    """
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise add_path(Misconfigured(f"a file cannot be read: {why}"), path) from None
    return [_parse_object(path, place, line) for place, line in enumerate(lines, 1) if line.strip()]


def append_line(path: Path, entry: dict[str, Any]) -> None:
    """Append an object to such a file, on a line of its own."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+b") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - 1))
        start = b"" if file.read() in (b"", b"\n") else b"\n"
        file.write(start + json.dumps(entry).encode() + b"\n")


def _parse_object(path: Path, place: int, line: str) -> dict[str, Any]:
    try:
        value = json.loads(line)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        problem = f"line {place} of a file is not a JSON object. Correct or delete it."
        raise add_path(Misconfigured(problem), path)
    return value
