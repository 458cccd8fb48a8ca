"""Templates read a payload, and nothing else."""

from typing import Any

import pytest

from agent.engine.webhook.payload import check_template, fill_template, fits

ISSUE: dict[str, Any] = {
    "action": "opened",
    "issue": {"number": 7, "title": "It {burns}", "body": None, "labels": [{"name": "fire"}]},
    "draft": False,
    "size": 1.5,
    "@type": "Issue",
    "empty": " ",
}


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("no path", "no path"),
        ("{action} #{issue.number}", "opened #7"),
        ("{issue.title}: {issue.body}", "It {burns}: "),
        ("{issue.labels.0.name}", "fire"),
        ("{{action}} {action}", "{action} opened"),
        ("{draft} {size} {@type}", "false 1.5 Issue"),
        ("{issue.labels}", '[{"name": "fire"}]'),
    ],
)
def test_a_path_reads_its_value(text: str, filled: str) -> None:
    assert check_template(text) == text
    assert fill_template(text, ISSUE) == filled


def test_an_empty_path_is_the_whole_payload() -> None:
    assert fill_template("got {}", {"a": ["ü"]}) == 'got {"a": ["ü"]}'


@pytest.mark.parametrize(
    "path",
    "number issue.nope issue.labels.1 issue.labels.-1 issue.labels.name action.0 action.upper "
    "issue.keys issue.__class__".split(),
)
def test_a_missing_path_is_named(path: str) -> None:
    with pytest.raises(LookupError) as missing:
        fill_template(f"{{{path}}}", ISSUE)
    assert missing.value.args == (path,)


@pytest.mark.parametrize(
    "text",
    ["{", "}", "{a", "{a!r}", "{a:>9}", "{a[b]}", "{a.}", "{.a}", "{a b}", "{a..b}", "{a:{b}}"],
)
def test_an_invalid_path_is_refused_when_the_file_is_read(text: str) -> None:
    with pytest.raises(ValueError, match=r"\{|\}"):
        check_template(text)


@pytest.mark.parametrize("path", ["issue.body", "issue.labels", "draft", "size", "empty", "issue"])
def test_a_name_consists_of_texts_and_whole_numbers(path: str) -> None:
    assert fill_template("{issue.number}/{action}", ISSUE, names=True) == "7/opened"
    with pytest.raises(LookupError, match=path):
        fill_template(f"x{{{path}}}", ISSUE, names=True)


@pytest.mark.parametrize(
    ("wanted", "does"),
    [
        ({}, True),
        ({"action": "opened"}, True),
        ({"action": "closed"}, False),
        ({"action": ["closed", "opened"]}, True),
        ({"action": "opened", "issue": {"number": 7}}, True),
        ({"action": "opened", "issue": {"number": 8}}, False),
        ({"issue": {"number": {"x": 1}}}, False),
        ({"nope": "opened"}, False),
        ({"draft": False}, True),
        ({"draft": 0}, False),
        ({"action": []}, False),
    ],
)
def test_a_payload_fits_if_it_has_all_that_is_wanted(wanted: Any, does: bool) -> None:
    assert fits(wanted, ISSUE) is does
