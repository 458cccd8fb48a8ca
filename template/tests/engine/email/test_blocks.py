"""Which part of a mail is another mail, and whether the agent has that already."""

import pytest

from agent.engine.email.blocks import Known
from agent.engine.email.text import extract_message

from .forwards import FORWARDS, REPLIES

SEEN = Known("agent@example.org", "Agent", seen=True)
NEW = Known("agent@example.org", "Agent")
OWN, OTHER = "please look", "It is down."
NAMES_ONLY = FORWARDS["outlook, names only"]


@pytest.mark.parametrize("is_reply", [True, False])
@pytest.mark.parametrize("known", [SEEN, NEW], ids=["seen", "new"])
@pytest.mark.parametrize("sample", [name for name in FORWARDS if "names only" not in name])
def test_a_forwarded_mail_is_kept_with_what_its_writer_added(
    sample: str, known: Known, is_reply: bool
) -> None:
    message = extract_message(FORWARDS[sample], known, is_reply=is_reply)
    assert message.startswith(OWN)
    assert message.count(OTHER) == 1


@pytest.mark.parametrize("sample", FORWARDS)
def test_a_forward_without_a_word_of_its_writer_is_kept(sample: str) -> None:
    bare = FORWARDS[sample].removeprefix(OWN).strip("\n_ ")
    assert extract_message(bare, NEW, is_reply=True).split() == bare.split()


@pytest.mark.parametrize("sample", REPLIES)
def test_a_reply_loses_the_mails_that_the_agent_has(sample: str) -> None:
    assert extract_message(REPLIES[sample], SEEN, is_reply=True) == OWN


def test_a_mail_that_is_no_reply_loses_nothing() -> None:
    for text in REPLIES.values():
        assert extract_message(text, NEW, is_reply=False).split() == text.split()


def test_headers_without_addresses_are_history_only_in_a_conversation_that_the_agent_knows() -> (
    None
):
    assert extract_message(NAMES_ONLY, SEEN, is_reply=True) == OWN
    assert OTHER in extract_message(NAMES_ONLY, NEW, is_reply=True)


def test_the_mail_below_a_forwarded_one_is_kept_with_it() -> None:
    text = FORWARDS["outlook en"] + "\n\n" + REPLIES["outlook"].removeprefix(OWN)
    assert extract_message(text, SEEN, is_reply=True).count(OTHER) == 2


@pytest.mark.parametrize("is_reply", [True, False])
def test_a_signature_above_a_forwarded_mail_is_removed_and_the_mail_is_kept(is_reply: bool) -> None:
    text = FORWARDS["gmail"].replace(OWN, f"{OWN}\n\n-- \nAna Smith\nExample Ltd")
    message = extract_message(text, NEW, is_reply=is_reply)
    assert "Example Ltd" not in message
    assert OTHER in message


def test_a_quote_above_a_forwarded_mail_is_removed() -> None:
    text = f"On Mon, 5 Jan 2026, Agent <agent@example.org> wrote:\n> Which?\n\n{FORWARDS['gmail']}"
    message = extract_message(text, SEEN, is_reply=True)
    assert message.startswith(OWN)
    assert OTHER in message


@pytest.mark.parametrize(
    "text",
    [
        "Name: Mia\nOrder: R-1002\nMail: mia@shop.example\nDate: 2026-01-05 10:00",
        "Name: Mia\nMail: agent@example.org\nDate: 2026-01-05\nAmount: 5\n\nplease",
        "From: Berlin\nTo: Paris\nDate: 2026-01-05\n\nplease",
        "--- notes ---\nOrder: R-1002\nAmount: 5\n\nplease",
        "please:\n\n- one: 1\n- two: 2",
    ],
)
def test_a_list_of_facts_is_the_writer_s_own(text: str) -> None:
    quoted = "On Mon, 5 Jan 2026, Agent <agent@example.org> wrote:\n> May I?"
    assert extract_message(text, SEEN, is_reply=True) == text
    assert extract_message(f"{text}\n\n{quoted}", SEEN, is_reply=True).startswith(text)


def test_an_answer_that_is_all_quote_says_nothing_where_the_agent_knows_the_quote() -> None:
    assert extract_message("> May I?", SEEN, is_reply=True) == ""
    assert extract_message("> It is down.", NEW, is_reply=True) == "> It is down."
