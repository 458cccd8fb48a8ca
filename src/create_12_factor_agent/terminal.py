"""Whether somebody can be asked, and the one question that Copier cannot ask: the folder."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

NOBODY = (
    *("CI", "AI_AGENT", "AGENT", "CLAUDECODE", "CURSOR_AGENT", "CODEX_SANDBOX"),
    *("CODEX_THREAD_ID", "GEMINI_CLI", "OPENCODE", "COPILOT_CLI", "CLINE_ACTIVE"),
)
"""Variables of places where nobody would answer."""


def somebody_is_there() -> bool:
    """Tell whether a person would see a question and could answer it."""
    if any(os.environ.get(name, "").lower() not in ("", "0", "false") for name in NOBODY):
        return False
    if os.environ.get("TERM") == "dumb":  # the questions move the cursor
        return False
    return all(stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr))


def ask_folder(problem_with: Callable[[Path], str]) -> Path:
    """Ask for the folder to make, until there is no problem with the answer."""
    import questionary

    def check(answer: str) -> bool | str:
        return problem_with(_path(answer)) or True

    question = questionary.text("Folder to make", default="my-agent", validate=check)
    return _path(question.unsafe_ask())


def _path(answer: str) -> Path:
    return Path(answer.strip()).expanduser()
