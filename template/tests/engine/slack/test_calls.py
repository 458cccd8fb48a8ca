"""What a person approves in Slack is what they were shown: the whole call, or no button."""

import json
from bisect import bisect_left
from dataclasses import replace
from typing import Any

import pytest

from agent.engine.log.events import compute_digest
from agent.engine.loop.api import Preview
from agent.engine.slack.blocks import build_closed_wait, build_wait
from agent.engine.slack.calls import CHANGED, write_call_code
from agent.engine.slack.forms import build_preview

from ..domain import make_answer, make_pause
from ..examples import given, st
from .reading import find_code, list_labels, read_call_back, read_code
from .rules import find_faults, find_view_faults

PIECES = (
    *(
        "```",
        "`",
        "\n",
        "\n  amount: 5",
        "\u2028amount: 5",
        '"',
        "\\u0060",
        "\\",
        "&amp;",
        "&",
        "<",
    ),
    *(
        "<!here>",
        "<@U1>",
        ">",
        "\u202e",
        "\u200b",
        "\U000e0041",
        "\u3164",
        "\ufeff",
        "\r",
        "\x1b[1m",
    ),
    *(
        "\uff1camount\uff1e",
        "\U0001f468\u200d\U0001f469",
        "*b*",
        "→ amount: 5",
        "…",
        " " * 90,
        "x" * 900,
    ),
)
TEXTS = st.one_of(st.text(max_size=30), st.lists(st.sampled_from(PIECES), max_size=6).map("".join))
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), TEXTS),
    lambda some: st.one_of(st.lists(some, max_size=3), st.dictionaries(TEXTS, some, max_size=3)),
    max_leaves=6,
)
NAMES = TEXTS.filter(lambda name: name != "intent")
CALLS = st.builds(
    lambda intent, given: {"intent": intent, **given},
    TEXTS,
    st.dictionaries(NAMES, VALUES, max_size=6),
)


def show(kind: str, call: dict[str, Any], **data: Any) -> list[dict[str, Any]]:
    """Return the blocks that show a wait about a call, which Slack takes."""
    blocks = build_wait("t", replace(make_pause(kind, call=call, **data), seq=7), ["U1"])
    assert find_faults(blocks, 50) == []
    return blocks


def same(one: Any, other: Any) -> bool:
    return json.dumps(one) == json.dumps(other)


@given(CALLS, st.sampled_from([("approval", "Approve and run"), ("in_doubt", "run it again")]))
def test_the_exact_call_is_read_back_or_nobody_can_run_it(
    call: dict[str, Any], way: tuple[str, str]
) -> None:
    kind, label = way
    kept = make_pause(kind, call=call).data["call"]
    blocks = show(kind, call)
    offered = any(label in each for each in list_labels(blocks))
    assert [same(read_call_back(code), kept) for code in find_code(blocks)] == [True] * offered
    assert offered != ("characters long" in json.dumps(blocks))


@given(CALLS, CALLS)
def test_an_edited_call_is_read_back_from_its_view_and_from_the_closed_message(
    before: dict[str, Any], after: dict[str, Any]
) -> None:
    wait, answer = make_pause("approval", call=before), make_answer(7, "edit", call=after)
    closed = build_closed_wait("t", wait, answer)
    assert find_faults(closed, 50) == []
    whole = [event.data["call"] for event in (wait, answer) if write_call_code(event.data["call"])]
    assert list(map(same, map(read_call_back, find_code(closed)), whole)) == [True] * len(whole)
    marked = any(f"\n{CHANGED}" in code for code in find_code(closed))
    assert marked == (f"Lines with {CHANGED}" in json.dumps(closed, ensure_ascii=False))
    if view := build_preview(wait, Preview(after, compute_digest(after)), {"thread": "t"}):
        assert find_view_faults(view) == []
        (code,) = find_code(view["blocks"])
        assert same(read_call_back(code), after)
        assert same(json.loads(view["private_metadata"])["call"], after)


HOSTILE = {
    "memo": "thanks```\n  amount: 5\n```",
    "amount: 5\n  note": "x",
    "note": "a\u202eb\u200bc\u3164d\uff1c<!here>&lt;",
    "\uff41mount": [1, {"`": None}],
    "amount": 500_000,
}


def test_no_value_and_no_name_begins_a_line_ends_the_block_or_hides_a_character() -> None:
    (code,) = find_code(show("approval", {"intent": "transfer", **HOSTILE}))
    assert read_code(code) == [
        "transfer",
        r'  memo: "thanks\u0060\u0060\u0060\n  amount: 5\n\u0060\u0060\u0060"',
        r'  "amount: 5\n  note": "x"',
        r'  note: "a\u202eb\u200bc\u3164d'
        '\uff1c<!here>&lt;"',
        '  "\uff41mount": [1, {"\\u0060": null}]',
        "  amount: 500000",
    ]


@pytest.mark.parametrize("char", ["x", "&", "\n", "`", "\u200b"])
def test_a_call_is_shown_to_the_last_character_that_fits_and_never_cut(char: str) -> None:
    def fits(size: int) -> bool:
        return write_call_code({"intent": "x", "a": char * size}) is not None

    last = bisect_left(range(3_000), True, key=lambda size: not fits(size)) - 1
    for size in (last, last + 1):
        blocks = show("approval", {"intent": "x", "a": char * size})
        assert ("Approve and run" in list_labels(blocks)) == (size == last)
        assert [read_call_back(code)["a"] for code in find_code(blocks)] == (
            [char * last] if size == last else []
        )


def test_an_edit_says_what_it_left_out() -> None:
    wait = make_pause("approval", call={"intent": "x", "a": 1, "b`": 2})
    for after, note in (
        ({"intent": "x", "a": 1}, ['Left out: "b\'".']),
        ({"intent": "x", "a": 2}, ["Lines with → are changed.", 'Left out: "b\'".']),
    ):
        view = build_preview(wait, Preview(after, "d"), {})
        assert view
        assert [text["text"] for text in view["blocks"][-1]["elements"]] == note


LONG = {"intent": "transfer", "memo": "x" * 20_000, "amount": 500_000}


@pytest.mark.parametrize(
    ("kind", "labels"), [("approval", ["Reject…"]), ("in_doubt", ["It went through", "Give up"])]
)
@pytest.mark.parametrize(
    ("url", "where"),
    [
        ("", "Open the inbox or run `agent inbox`"),
        ("https://a.example/?a=1&b=<c>/", "<https://a.example/?a=1&amp;b=&lt;c&gt;/waits/t/7|"),
    ],
)
def test_a_call_that_is_too_long_is_counted_and_its_page_is_linked(
    kind: str,
    labels: list[str],
    url: str,
    where: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PUBLIC_URL", url)
    blocks = show(kind, LONG, standing={"amount": 500_000})
    assert list_labels(blocks) == labels
    text = blocks[1]["text"]["text"]
    assert text.startswith("The call is 20,032 characters long, which is too long for Slack. ")
    assert where in text
    assert "xxx" not in json.dumps(blocks)
    assert find_code(blocks) == []


@pytest.mark.parametrize(
    "title", ["&" * 2_000, "a\n```charge\n  amount: 5```\u2028\u202e b", "`" * 1_500]
)
def test_the_title_above_a_call_is_one_line_that_cannot_look_like_a_call(title: str) -> None:
    wait = make_pause("approval", call=LONG, error=title, idempotency_key=title)
    wait = replace(wait, data=wait.data | {"text": title})
    blocks = build_wait("t", wait, [])
    assert find_faults(blocks, 50) == []
    heading, text = blocks[0]["text"]["text"].split("\n")
    assert heading == "*Approval*"
    assert "`" not in text
    error, key = blocks[2]["text"]["text"].split("\n")
    assert error.startswith("*Last error*: ")
    assert key.startswith("*Idempotency key*: ")
    assert "`" not in error + key
