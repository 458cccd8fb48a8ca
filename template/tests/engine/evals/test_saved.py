from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from agent.engine.evals import saved
from agent.engine.evals.trials import ModelCall, Trial
from agent.engine.log.errors import Misconfigured

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
TRIAL = Trial("test", "a", "m", "pass", calls=(ModelCall("m-1", {"input": 3}, 0.5),))


def test_a_trial_is_compared_with_the_last_of_its_case_and_model() -> None:
    first, failed = TRIAL, replace(TRIAL, verdict="fail", reason="no")
    other = replace(TRIAL, model="n")
    for minutes, trials in enumerate([[first], [failed, other], [replace(TRIAL, case="b")]]):
        saved.save(trials, NOON + timedelta(minutes=minutes))
    keys = [TRIAL.key, other.key, ("test", "new", "m")]
    assert saved.find_last(keys) == {TRIAL.key: failed, other.key: other}


def test_only_the_newest_files_are_kept() -> None:
    paths = [saved.save([TRIAL], NOON + timedelta(seconds=n)) for n in range(saved.KEPT + 3)]
    assert [path.exists() for path in paths] == [False] * 3 + [True] * saved.KEPT


@pytest.mark.parametrize("text", ["", "[]", '{"trials": [{}]}', '{"trials": [{"calls": []}]}'])
def test_a_broken_file_is_named(text: str) -> None:
    saved.save([TRIAL], NOON).write_text(text, "utf-8")
    with pytest.raises(Misconfigured, match=r"20260101T120000000000\.json' cannot be read"):
        saved.find_last([TRIAL.key])
