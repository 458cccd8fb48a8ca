"""The tools. Yours: replace them with tests of your own."""

from pathlib import Path

import pytest

from agent.assistant.tools import NOTES, ReadNote, read_note
from agent.engine import Call, Thread, ToolError


@pytest.fixture(autouse=True)
def notes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a folder of its own that has one note."""
    monkeypatch.chdir(tmp_path)
    NOTES.parent.mkdir(parents=True)
    NOTES.write_text('{"launch": "on Thursday"}', "utf-8")
    return NOTES


def read(name: str) -> str:
    return read_note(ReadNote(intent="read_note", name=name), Call("key", "", Thread("t")))


def test_a_note_is_read_by_its_name() -> None:
    assert read("launch") == "on Thursday"


@pytest.mark.parametrize("name", ["team", "", "Launch", "../launch"])
def test_a_note_that_does_not_exist_is_refused_with_those_that_do(name: str) -> None:
    with pytest.raises(ToolError, match="there are launch"):
        read(name)


def test_without_its_file_the_tool_says_where_to_run_it(notes: Path) -> None:
    notes.unlink()
    with pytest.raises(ToolError, match="run this in the project's folder"):
        read("launch")
