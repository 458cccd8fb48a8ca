"""Factor 1: natural language to tool calls. Yours: put your own tools in the place of the notes.

`NextStep` is everything the model may say. A tool is a shape (a `Step` with an `intent`, its
docstring written to the model) and a function; `control_flow.py` says what each one means.
"""

import json
from pathlib import Path
from typing import Literal

from ..engine import Call, Step, ToolError

NOTES = Path("sample/assistant/notes.json")


class ReadNote(Step):
    """Read one of the notes by its name."""

    intent: Literal["read_note"]
    name: str


class AskPerson(Step):
    """Ask a person for what no note says. Ask one question at a time."""

    intent: Literal["ask_person"]
    question: str


class Answer(Step):
    """Answer the person, or tell them what you could not find out."""

    intent: Literal["answer"]
    message: str


NextStep = ReadNote | AskPerson | Answer


def read_note(step: ReadNote, call: Call) -> str:
    try:
        notes: dict[str, str] = json.loads(NOTES.read_text("utf-8"))
    except FileNotFoundError:
        raise ToolError(f"{NOTES} is missing; run this in the project's folder") from None
    if step.name not in notes:
        raise ToolError(f"there is no note {step.name!r}; there are {', '.join(notes)}")
    return notes[step.name]
