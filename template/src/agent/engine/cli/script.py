"""The script of a demo: `sample/<agent>/demo.jsonl`.

    {"task": "deploy it", "actor": "ana", "about": "Deploying writes a file."}
    {"step": {"intent": …}, "expect": "…", "answers": [{"verdict": "approve", "actor": "bob"}]}

The first line names the task. `actor` is who gives it and sits at the terminal, `about` is printed
first; both can be left out. Every other line is a step of a scripted model (`llms/scripted.py`).
`answers` says who answers the waits that the step leads to, and how: a `verdict`, and if it
matters an `actor`, a `text` and the edited `call`. Whatever is missing, the demo makes up.
"""

from dataclasses import dataclass
from hashlib import sha256
from itertools import takewhile
from pathlib import Path
from typing import Any, Self, cast

from ..llms.scripted import read_lines
from ..log.errors import Misconfigured, ModelRefused
from ..log.events import CallJson
from ..log.state import VERDICTS, OpenWait
from ..log.thread import Thread
from .waits import Answer

Answers = tuple[tuple[str, Answer], ...]
"""Who answers, or "", and what."""


def find_scripts() -> dict[str, Path]:
    """Return the scripts in the working directory, by the name of their agent."""
    return {path.parent.name: path for path in sorted(Path("sample").glob("*/demo.jsonl"))}


@dataclass(frozen=True)
class Script:
    agent: str
    path: Path
    task: str
    actor: str
    about: str
    answers: tuple[Answers, ...]
    """Those of each step."""
    digest: str
    """Names this version of the file."""

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a script. Raises Misconfigured and names what is wrong."""
        head, *steps = read_lines(path) or [{}]
        match head:
            case {"task": str(task), **rest} if rest.keys() <= {"actor", "about"} and task.strip():
                actor, about = str(rest.get("actor") or "cli:you"), str(rest.get("about", ""))
            case _:
                raise Misconfigured(f'{str(path)!r} has to begin with a line {{"task": "…"}}')
        answers = tuple(_read_answers(path, step.get("answers", [])) for step in steps)
        digest = sha256(path.read_bytes()).hexdigest()[:16]
        return cls(path.parent.name, path, task, actor, about, answers, digest)

    def answer(self, thread: Thread, wait: OpenWait) -> tuple[str, Answer]:
        """Return who answers a wait, one of those who may, and what they answer."""
        steps = sum(past.type in ("step", "invalid_step") for past in thread.events)
        planned = self.answers[steps - 1] if 0 < steps <= len(self.answers) else ()
        fits = (each for each in planned if each[1].verdict in VERDICTS[wait.kind])
        actor, answer = next(fits, ("", _make_up(thread, wait)))
        asked = self.actor if wait.admits(self.actor) else next(iter(wait.audience), self.actor)
        return actor or asked, answer


def _read_answers(path: Path, answers: Any) -> Answers:
    def read(entry: Any) -> tuple[str, Answer]:
        match entry:
            case {"verdict": str(verdict), **rest} if rest.keys() <= {"actor", "text", "call"}:
                text, call = str(rest.get("text", "")), cast("CallJson | None", rest.get("call"))
                return str(rest.get("actor", "")), Answer(verdict, text, call)
        raise Misconfigured(f'{str(path)!r}: {entry!r} is not an answer such as {{"verdict": "…"}}')

    if not isinstance(answers, list):
        raise Misconfigured(f"{str(path)!r}: `answers` is not a list: {answers!r}")
    return tuple(map(read, answers))


def _make_up(thread: Thread, wait: OpenWait) -> Answer:
    """Return an answer after which the script goes on, or the thread ends.

    Raises:
        ModelRefused: the script does not fit the thread.
    """
    options = wait.data.get("options") or {}
    match wait.kind, options.get("format"), options.get("choices"):
        case "question", "yes_no", _:
            return Answer("answer", "yes")
        case "question", "multiple_choice", [choice, *_]:
            return Answer("answer", str(choice))
        case "question", _, _:
            return Answer("answer", "As you think best.")
        case "limit", _, _ if wait.data.get("cause"):
            raise ModelRefused(wait.data["problem"])
        case "limit", _, _:
            return Answer("continue" if _has_moved(thread) else "stop")
        case "approval", _, _:
            return Answer("approve")
        case "in_doubt", _, _:
            return Answer("abort")
    return Answer("done")


def _has_moved(thread: Thread) -> bool:
    """Say whether the model was asked since a limit was last extended: else it would never end."""
    since = takewhile(lambda past: past.data.get("verdict") != "continue", reversed(thread.events))
    return any(past.type in ("message", "step", "invalid_step") for past in since)
