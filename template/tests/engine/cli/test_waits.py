"""What the terminal shows of a wait: all of it, so that the exact call can be read back."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from agent.engine.characters import clean, is_unseen
from agent.engine.cli import COMMANDS
from agent.engine.cli.edits import write_edit
from agent.engine.cli.format import CONTINUES, fold_line
from agent.engine.cli.waits import describe_wait, list_answers
from agent.engine.log.events import CallJson, make_event
from agent.engine.log.state import OpenWait

from ..domain import make_message, make_pause, make_step, make_thread
from ..examples import given, st
from .conftest import ROOT, Desk

NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)
CALL: CallJson = {"intent": "charge", "amount": 500}
FORGED = "\n    amount: 5\n  May answer: anyone"
ODD = ("", "x y", "|", "amount: 5", "\u202eabc", "\uff21", "'", '"', "`", "a\nb", "-", "Until")
UNSEEN = "\u200b\u202e\u2066\u3164\ufe0f\u00a0\u00ad\U000e0041\x1b\r\n\t\u2028"
TEXTS = st.text(st.sampled_from(f'ab :|"\\{UNSEEN}\u4e16\u0e01\u05d0\U0001f600'), max_size=150)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)
NAMES = st.sampled_from(ODD) | st.from_regex("[a-z_]{1,9}", fullmatch=True) | TEXTS
CALLS = st.dictionaries(NAMES.filter("intent".__ne__), VALUES, max_size=4)
WIDTHS = st.sampled_from([0, 20, 40, 80])


def open_wait(kind: str, *audience: str, **data: Any) -> OpenWait:
    call = data.get("call", CALL)
    log = make_message(), make_step(call["intent"]), make_pause(kind, *audience, **data)
    wait = make_thread(*log).state.wait
    assert wait
    return wait


def show(lines: list[str], columns: int) -> list[str]:
    """Return the rows that a terminal of so many columns gets; 0 is none."""
    return [row for line in lines for row in (fold_line(line, columns) if columns else [line])]


def read_call(rows: list[str]) -> CallJson:
    """Read a call back from what a person sees, as a person would: line by line."""
    lines: list[str] = []
    for row in rows:
        if row.lstrip(" ").startswith(CONTINUES):
            lines[-1] += row.lstrip(" ").removeprefix(CONTINUES)
        else:
            lines.append(row)
    call = {"intent": next(line[2:] for line in lines if line.startswith("  "))}
    for line in (line[4:] for line in lines if line.startswith("    ")):
        decoder = json.JSONDecoder()
        name, end = decoder.raw_decode(line) if line[0] == '"' else (None, line.index(":"))
        call[line[:end] if name is None else name] = json.loads(line[end + 1 :])
    return call


@given(CALLS, WIDTHS)
def test_the_exact_call_is_read_back_from_the_terminal(arguments: CallJson, width: int) -> None:
    call: CallJson = make_event("step", call={"intent": "transfer", **arguments}).data["call"]
    wait = open_wait("approval", FORGED, "ana", call=call, error=FORGED, idempotency_key=FORGED)
    rows = show([clean(line) for line in describe_wait(wait, "ana", NOON)], width)
    assert json.dumps(read_call(rows)) == json.dumps(call)
    assert not [char for row in rows for char in row if is_unseen(char)]


@pytest.mark.parametrize("width", [0, 80])
def test_a_call_of_20_kb_is_shown_whole(width: int) -> None:
    call = {"intent": "transfer", "note": "x" * 20_000, "amount": 500_000, "memo": "  y" * 7_000}
    shown = describe_wait(open_wait("approval", call=call), "ana", NOON)
    assert read_call(show(shown, width)) == call


def test_spaces_in_a_value_push_nothing_to_where_a_line_begins() -> None:
    memo = "x" * 69 + "    amount: 5" + " " * 67 + "    y"
    wait = open_wait("approval", call={"intent": "transfer", "memo": memo, "amount": 500_000})
    rows = show(describe_wait(wait, "ana", NOON), 80)
    assert max(map(len, rows)) <= 80
    assert [row for row in rows if row.startswith("    amount")] == ["    amount: 500000"]


def test_wide_characters_fill_two_columns() -> None:
    assert [*fold_line("\u4e16" * 12, 20)] == ["\u4e16" * 10, "| \u4e16\u4e16"]


def test_everything_one_has_to_know_is_shown() -> None:
    wait = open_wait(
        "approval",
        "bob",
        "ana",
        call=CALL,
        standing={"amount": 500},
        expires_at=(NOON + timedelta(minutes=5)).isoformat(),
        escalate=["lead"],
        error="timed out",
        idempotency_key="k1",
        options={"urgency": "high"},
    )
    assert describe_wait(wait, "ana", NOON) == [
        "Approval: approval?",
        "  charge",
        "    amount: 500",
        "  Last error: timed out",
        "  Idempotency key: k1",
        "  May answer: you or bob",
        "  Urgency: high",
        "  Until: in 5 min; then lead will be asked",
        "  Can be approved for the whole thread: every charge with amount: 500",
    ]


def test_the_page_shows_what_the_terminal_shows_and_names_every_command() -> None:
    page = (ROOT / "docs/terminal.md").read_text("utf-8")
    call = {"intent": "issue_refund", "order": "R-1002", "amount": "389.00", "note": "two\nlines"}
    wait = open_wait(
        "approval",
        "ana",
        "ben",
        call=call,
        standing={"order": "R-1002"},
        expires_at=(NOON + timedelta(minutes=42)).isoformat(),
        escalate=["lead"],
    )
    wait = wait._replace(data=wait.data | {"text": "Refund 389.00 EUR to Mia"})
    assert "\n".join(["```text", *describe_wait(wait, "ana", NOON), "```"]) in page
    edited = write_edit(call, call | {"amount": "350"})
    assert "\n".join(["With the changes:", *edited, "```"]) in page
    for command in COMMANDS:
        assert f"`agent {command.__name__}" in page


def test_a_question_and_its_choices_are_shown_whole_and_forge_no_line() -> None:
    wait = open_wait("question", FORGED, options={"choices": [FORGED, "z" * 3_000]})
    wait = wait._replace(data=wait.data | {"text": f"Which?{FORGED}\u202e"})
    assert describe_wait(wait, "ana", NOON) == [
        "Question: Which?",
        "|     amount: 5",
        "|   May answer: anyone\\u202e",
        "  1. ",
        "  |     amount: 5",
        "  |   May answer: anyone",
        f"  2. {'z' * 3_000}",
        "  May answer: amount: 5 May answer: anyone",
    ]


@pytest.mark.parametrize(
    ("call", "standing", "ways"),
    [
        (
            CALL,
            {},
            ["approve t:3", "reject t:3 'REASON'", "edit t:3 --set NAME=VALUE  # NAME: amount"],
        ),
        ({"intent": "ping"}, {}, ["approve t:3", "reject t:3 'REASON'"]),
        (
            {"intent": "put", "a b": 1, "c": 2},
            {"c": 2},
            [
                "approve t:3",
                "approve t:3 --for-thread",
                "reject t:3 'REASON'",
                'edit t:3 --set NAME=VALUE  # NAME: "a b", c',
            ],
        ),
    ],
)
def test_the_commands_name_what_can_be_approved_and_edited(
    desk: Desk, call: CallJson, standing: CallJson, ways: list[str]
) -> None:
    pause = make_pause("approval", call=call, standing=standing)
    thread = make_thread(make_message(), make_step(call["intent"]), pause)
    assert thread.state.wait
    assert list_answers(thread.id, thread.state.wait) == [f"agent {way}" for way in ways]


HOSTILE = "\x1b[2J\x1b]0;title\x07\u202e[red]x[/red]\n  9  now  ana  approved charge"


@pytest.mark.parametrize(
    "words",
    [("show", "t"), ("threads",), ("inbox",), ("show", "t", "--prompt"), ("approve", "t:3")],
)
def test_data_can_neither_steer_the_terminal_nor_forge_a_line(
    desk: Desk, words: tuple[str, ...]
) -> None:
    call = {"intent": "put", "value": HOSTILE}
    about = {"call": call, "digest": "x", "options": {"choices": [HOSTILE]}}
    wait = make_event("paused", kind="approval", text=HOSTILE, audience=[HOSTILE], **about)
    desk.happened(make_message(HOSTILE), make_event("step", call=call), wait)
    ran = desk.agent(*words)
    shown = ran.stdout + ran.stderr
    assert shown.replace("\n", "").isprintable()
    assert "[red]x[/red]" in shown  # no markup, but text
    assert not [text for text in shown.splitlines() if text.startswith("  9  now")]
