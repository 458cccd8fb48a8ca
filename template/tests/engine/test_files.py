"""Files that are this user's alone, with the same bytes on every system."""

import os
from pathlib import Path

import pytest

from agent.engine.files import open_private


def test_a_line_ends_the_same_on_every_system(tmp_path: Path) -> None:
    with open_private(tmp_path / "x") as stream:
        stream.write("größer\n")
    assert (tmp_path / "x").read_bytes() == "größer\n".encode()


def test_the_file_is_opened_in_binary_where_systems_make_a_difference(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On Windows, a file that is not gets a carriage return before each line feed."""
    used: list[int] = []
    open_ = os.open

    def record(path: Path, flags: int, mode: int) -> int:
        used.append(flags)
        return open_(path, flags & ~BINARY, mode)

    monkeypatch.setattr(os, "O_BINARY", BINARY, raising=False)
    monkeypatch.setattr(os, "open", record)
    open_private(tmp_path / "x").close()
    assert used[0] & BINARY


BINARY = 1 << 30
"""A flag that this system does not have."""
