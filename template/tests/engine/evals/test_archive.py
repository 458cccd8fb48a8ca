import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TextIO

import pytest

from agent.engine.evals import archive
from agent.engine.evals.trials import ModelCall, Trial
from agent.engine.log.errors import Misconfigured

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
TRIAL = Trial("test", "a", "m", "pass", calls=(ModelCall("m-1", {"input": 3}, 0.5),))


def test_a_trial_is_compared_with_the_last_of_its_case_and_model() -> None:
    first, failed = TRIAL, replace(TRIAL, verdict="fail", reason="no")
    other = replace(TRIAL, model="n")
    for minutes, trials in enumerate([[first], [failed, other], [replace(TRIAL, case="b")]]):
        archive.save(trials, NOON + timedelta(minutes=minutes))
    keys = [TRIAL.key, other.key, ("test", "new", "m")]
    assert archive.find_last(keys) == {TRIAL.key: failed, other.key: other}


def test_only_the_newest_files_are_kept() -> None:
    paths = [archive.save([TRIAL], NOON + timedelta(seconds=n)) for n in range(archive.KEPT + 3)]
    assert [path.exists() for path in paths] == [False] * 3 + [True] * archive.KEPT


@pytest.mark.parametrize("text", ["", "[]", '{"trials": [{}]}', '{"trials": [{"calls": []}]}'])
def test_a_broken_file_is_named(text: str) -> None:
    archive.save([TRIAL], NOON).write_text(text, "utf-8")
    with pytest.raises(Misconfigured, match=r"20260101T120000000000\.json' cannot be read"):
        archive.find_last([TRIAL.key])


def test_a_file_that_is_not_written_to_its_end_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    @contextmanager
    def open_full(path: Path) -> Iterator[TextIO]:
        with path.open("w", encoding="utf-8") as file:
            yield file
            file.truncate(file.tell() // 2)
            raise OSError("the disk is full")

    monkeypatch.setattr(archive, "open_private", open_full)
    with pytest.raises(OSError, match="the disk is full"):
        archive.save([TRIAL], NOON)
    assert archive.find_last([TRIAL.key]) == {}


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such modes")
def test_only_the_owner_of_the_process_may_read_what_is_kept() -> None:
    before = os.umask(0)
    try:
        file = archive.save([TRIAL], NOON)
    finally:
        os.umask(before)
    assert file.stat().st_mode & 0o777 == 0o600
    assert [file.parents[n].stat().st_mode & 0o777 for n in (0, 1)] == [0o700, 0o700]
