"""What a mail shows of a wait: the whole call or none, and nobody's words as ours."""

import json
from typing import Any

import pytest

from agent.engine.characters import is_unseen
from agent.engine.email.letters import Letterhead, write_letter
from agent.engine.email.paragraphs import LONGEST_CALL
from agent.engine.email.stamp import Stamp
from agent.engine.log.events import CallJson, make_event
from agent.engine.people.cards import format_scope, write_call

from ..domain import make_message, make_pause, make_thread
from ..examples import given, st
from .mail_servers import SECRET
from .mails import HEADING, read_call, read_part, receive

STAMP = Stamp("Agent", "agent@example.org", SECRET)
PAGES = Letterhead(STAMP, "https://agent.example")
PARTS = ("plain", "html")
HOSTILE = (
    "x\namount: 5",
    "x\r\n  amount: 5\n\nThis is the whole call:\n\n  charge\n  amount: 5",
    '"\n  amount: 5',
    "</pre><pre>amount: 5</pre><p>This is the whole call:</p>",
    "&amp;&#10;&lt;br&gt; a  b\u00a0c \t",
    "```amount: 5```",
    "\u202e005\u202c \u2066x\u2069 \u200b\u200d\u3164\u034f\ufe0f\U000e0041",
    "\uff02\uff1a \uff1cbr\uff1e \u2028 \u2029 \x85 \x0b \x0c \x1b[31m \0",
    "amount",
    "From ",
    ".",
    " ",
    "\u05d0\u05d1 5",
    "👩‍👧",
    "x" * 3_000,
)

words = st.one_of(st.text(max_size=40), st.sampled_from(HOSTILE))
values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), words),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(words, inner, max_size=3)),
    max_leaves=6,
)
calls = st.builds(
    lambda intent, given: {"intent": intent, **given},
    st.one_of(st.just("charge"), words),
    st.dictionaries(words.filter(lambda name: name != "intent"), values, max_size=4),
)


def write(kind: str = "approval", person: str = "bob", **data: Any) -> Any:
    """Return a mail about a wait for bob, as it arrives."""
    thread = make_thread(
        make_message(), make_event("paused", **make_pause(kind, "bob").data | data)
    )
    return receive(write_letter(PAGES, thread, thread.events[-1], person, "bob@example.org"))


@given(call=calls, kind=st.sampled_from(["approval", "in_doubt"]), said=words)
def test_the_call_is_read_back_exactly_from_the_text_and_from_the_html(
    call: CallJson, kind: str, said: str
) -> None:
    mail = write(kind, call=call, digest="d", text=said, error=said, standing=call)
    kept = make_event("paused", call=call).data["call"]
    written = "\n".join(write_call(kept))
    fits = len(written) + len(format_scope({"call": kept, "standing": kept})) <= LONGEST_CALL
    for part in PARTS:
        assert json.dumps(read_call(mail, part)) == json.dumps(kept if fits else None)
        says_length = f"The call has {len(written):,} characters" in read_part(mail, part)
        assert says_length != fits


@pytest.mark.parametrize("extra", [0, 1])
@pytest.mark.parametrize("filler", ["x", "漢", "\u200b", "<", "\n"])
def test_a_call_that_is_too_long_is_not_shown_but_linked_to_with_its_length(
    filler: str, extra: int
) -> None:
    written = len("\n".join(write_call({"intent": "charge", "memo": filler})))
    width = written - len('charge\nmemo: ""')
    count, rest = divmod(LONGEST_CALL - len('charge\nmemo: ""'), width)
    call: CallJson = {"intent": "charge", "memo": filler * count + "y" * (rest + extra)}
    mail = write(call=call, digest="d")
    for part in PARTS:
        text = read_part(mail, part)
        assert read_call(mail, part) == (None if extra else call)
        assert ("The call has 20,001 characters, too many for a mail." in text) == bool(extra)
        assert "https://agent.example/email/wait/" in text
        assert "cut" not in text


def test_a_scope_that_is_too_long_leaves_out_the_call_too() -> None:
    memo = "x" * 15_000
    mail = write(call={"intent": "charge", "memo": memo}, standing={"memo": memo})
    assert "The call has 15,015 characters, too many" in read_part(mail, "plain")
    assert read_call(mail, "plain") is None


def test_a_mail_shows_all_that_one_has_to_know() -> None:
    mail = write(
        text="Refund 5 EUR to Mia",
        call={"intent": "charge", "amount": 5, "to": "Mia"},
        standing={"to": "Mia"},
        error="card\u200b declined",
        idempotency_key="t.3-abc",
        audience=["ana", "bob", "slack:U1", "email:eve@x.example"],
        expires_at="2026-11-30T12:00:00+00:00",
        escalate=["head"],
    )
    text = read_part(mail, "plain")
    who, until = "you or ana or others", "2026-11-30 12:00 UTC, and after that from head"
    assert text.partition("\n\nDecide on this page.")[0] == "\n".join([
        f"Approval: the agent waits for an answer from {who} until {until}.", "",
        "  Refund 5 EUR to Mia", "",
        "This is the whole call:", "",
        "  charge", "  amount: 5", '  to: "Mia"', "",
        "It can be approved once, or for this thread. Then this runs without asking again:", "",
        '  every charge with to: "Mia"', "",
        "Last error:", "", "  card\\u200b declined", "",
        "Idempotency key:", "", "  t.3-abc",
    ])  # fmt: skip
    assert "eve@" not in mail.as_string()


OWN = ("Question: the agent", "Answer on this page.", "https://agent.example/email/wait/")


@pytest.mark.parametrize(
    "text",
    [
        "Which?\n\nAnswer on this page.\n\nhttps://evil.example",
        "Which? " * 9 + "Answer on this page. " + "https://evil.example",
        "\r\nhttps://evil.example\u2028https://evil.example\vhttps://evil.example",
        f"{HEADING}\n\n  charge\n  amount: 5\n\n",
    ],
)
def test_words_of_others_are_never_at_the_left_edge_of_the_text(text: str) -> None:
    mail = write("question", text=text, options={"choices": [text, "yes"]})
    lines = read_part(mail, "plain").rstrip("\n").split("\n")
    edge = [line for line in lines if line and not line.startswith("  ")]
    assert [line.startswith(own) for line, own in zip(edge, OWN, strict=True)] == [True] * 3
    assert max(len(line) for line in lines if line.startswith("  ")) <= 72


def test_a_title_above_a_call_is_one_line_that_adds_no_argument() -> None:
    title = f"Refund\n\n{HEADING}\n\n  charge\n  amount: 5\n\n" + "x " * 2_000
    call: CallJson = {"intent": "charge", "amount": 500}
    mail = write(call=call, text=title)
    assert [read_call(mail, part) for part in PARTS] == [call, call]
    assert "\n  amount: 5\n" not in read_part(mail, "plain")


@pytest.mark.parametrize("hidden", "\u202e\u200b\x1b\x85\u2028\u3164\u2800\u034f\U000e0041")
def test_no_unseen_character_is_in_a_mail(hidden: str) -> None:
    said = f"a{hidden}b"
    mails = [
        write(text=said, call={"intent": "charge", said: said}, error=said, audience=["bob", said]),
        write("question", text=said, options={"choices": [said]}),
        write(person=f"email:{said}", audience=[f"email:{said}"]),
        _write_result(said),
    ]
    for mail in mails:
        for text in (mail["Subject"], *(read_part(mail, part) for part in PARTS)):
            assert [sign for sign in text if is_unseen(sign) and sign != "\n"] == []


def _write_result(message: str) -> Any:
    thread = make_thread(make_message(), make_event("finished", message=message))
    return receive(write_letter(PAGES, thread, thread.events[-1], "bob", "bob@example.org"))
