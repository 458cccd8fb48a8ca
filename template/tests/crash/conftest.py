"""The laboratory, cleared away after each test."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from .processes import Lab

Labs = Callable[[str], Lab]


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Labs]:
    """Make a laboratory for a case; each has a folder of its own."""
    made: list[Lab] = []

    def make(case: str) -> Lab:
        folder = tmp_path / str(len(made))
        folder.mkdir()
        made.append(Lab(folder, case))
        return made[-1]

    yield make
    for one in made:
        one.close()
