"""The words for a repository that is up to date, and the place that it was compared with."""

import json

import pytest

from create_12_factor_agent import report, source, summary
from create_12_factor_agent.changelog import News
from create_12_factor_agent.origin import Followed

from .conftest import Installed

FORK, CLONE = "https://host/fork.git", "/home/ana/clone"
NOTHING_NEW = News((), ())
HERE = Followed(FORK, FORK, bundled=False)
ELSEWHERE = Followed(FORK, CLONE, bundled=False)


@pytest.fixture(autouse=True)
def _no_console_of_another_test() -> None:
    report._talk.cache_clear()


def test_adding_parts_that_are_there_names_the_version(capfd: pytest.CaptureFixture[str]) -> None:
    summary.unchanged("v0.1.0", as_json=False)
    assert capfd.readouterr().err == "Already up to date (v0.1.0).\n"


def test_an_update_names_the_place_it_compared_with(capfd: pytest.CaptureFixture[str]) -> None:
    summary.unchanged("v0.1.0", HERE, as_json=False)
    assert capfd.readouterr().err == f"Already up to date with {FORK} (v0.1.0).\n"


def test_an_update_from_the_bundle_names_the_program_whose_releases_it_knows(
    capfd: pytest.CaptureFixture[str], installed: Installed
) -> None:
    installed("0.1.0")
    summary.unchanged("v0.1.0", Followed(FORK, FORK, bundled=True), as_json=False)
    releases = f"the releases in {source.NAME} 0.1.0"
    assert capfd.readouterr().err == f"Already up to date with {releases} (v0.1.0).\n"


@pytest.mark.parametrize("check", [False, True])
def test_a_program_from_elsewhere_says_where_it_looked_and_how_to_follow_it(
    capfd: pytest.CaptureFixture[str], *, check: bool
) -> None:
    if check:
        summary.newer("v0.1.0", "v0.1.0", NOTHING_NEW, ELSEWHERE, as_json=False)
    else:
        summary.unchanged("v0.1.0", ELSEWHERE, as_json=False)
    said = capfd.readouterr().err
    assert said.startswith(f"Already up to date with {FORK} (v0.1.0).\n")
    assert f"This program comes from {CLONE}, which is not where" in said
    assert "change `_src_path` in .copier-answers.yml" in said


@pytest.mark.parametrize("check", [False, True])
def test_json_names_both_places(capfd: pytest.CaptureFixture[str], *, check: bool) -> None:
    if check:
        summary.newer("v0.1.0", "v0.2.0", NOTHING_NEW, ELSEWHERE, as_json=True)
    else:
        summary.unchanged("v0.1.0", ELSEWHERE, as_json=True)
    shown = json.loads(capfd.readouterr().out)
    assert (shown["origin"], shown["program"]) == (FORK, CLONE)
