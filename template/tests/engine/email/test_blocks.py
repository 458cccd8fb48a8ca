"""Which part of a mail is another mail, and whether the agent has that already."""

import pytest

from agent.engine.email.html import convert_html
from agent.engine.email.text import extract_message

from .forwards import FORWARDS, HTML_FORWARDS, REPLIES

KNOWN, NEW = "agent@example.org", ""
"""The agent's address in a conversation that it has, and in one that it does not have."""

OWN, OTHER = "please look", "It is down."
NAMES_ONLY = FORWARDS["outlook, names only"]


@pytest.mark.parametrize("address", [KNOWN, NEW], ids=["known", "new"])
@pytest.mark.parametrize("sample", [name for name in FORWARDS if "names only" not in name])
def test_a_forwarded_mail_is_kept_with_what_its_writer_added(sample: str, address: str) -> None:
    message = extract_message(FORWARDS[sample], address)
    assert message.startswith(OWN)
    assert message.count(OTHER) == 1


@pytest.mark.parametrize("address", [KNOWN, NEW], ids=["known", "new"])
@pytest.mark.parametrize("sample", HTML_FORWARDS)
def test_a_forwarded_mail_is_found_in_html(sample: str, address: str) -> None:
    text = convert_html(HTML_FORWARDS[sample])
    message = extract_message(text, address)
    assert message.startswith(OWN)
    assert message.count(OTHER) == 1


@pytest.mark.parametrize("sample", FORWARDS)
def test_a_forward_without_a_word_of_its_writer_is_kept(sample: str) -> None:
    bare = FORWARDS[sample].removeprefix(OWN).strip("\n_ ")
    assert extract_message(bare, NEW).split() == bare.split()


@pytest.mark.parametrize("sample", REPLIES)
def test_a_reply_loses_the_mails_that_the_agent_has(sample: str) -> None:
    assert extract_message(REPLIES[sample], KNOWN) == OWN


@pytest.mark.parametrize("sample", REPLIES)
def test_a_mail_loses_nothing_in_a_conversation_that_the_agent_does_not_have(sample: str) -> None:
    assert extract_message(REPLIES[sample], NEW).split() == REPLIES[sample].split()


def test_headers_without_addresses_are_history_only_in_a_conversation_that_the_agent_knows() -> (
    None
):
    assert extract_message(NAMES_ONLY, KNOWN) == OWN
    assert OTHER in extract_message(NAMES_ONLY, NEW)


def test_the_mail_below_a_forwarded_one_is_kept_with_it() -> None:
    text = FORWARDS["outlook en"] + "\n\n" + REPLIES["outlook"].removeprefix(OWN)
    assert extract_message(text, KNOWN).count(OTHER) == 2


@pytest.mark.parametrize("address", [KNOWN, NEW], ids=["known", "new"])
def test_a_signature_above_a_forwarded_mail_is_removed_and_the_mail_is_kept(address: str) -> None:
    text = FORWARDS["gmail"].replace(OWN, f"{OWN}\n\n-- \nAna Smith\nExample Ltd")
    message = extract_message(text, address)
    assert "Example Ltd" not in message
    assert OTHER in message


def test_a_quote_above_a_forwarded_mail_is_removed() -> None:
    text = f"On Mon, 5 Jan 2026, Agent <agent@example.org> wrote:\n> Which?\n\n{FORWARDS['gmail']}"
    message = extract_message(text, KNOWN)
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
    assert extract_message(text, KNOWN) == text
    assert extract_message(f"{text}\n\n{quoted}", KNOWN).startswith(text)


def test_a_quote_is_kept_only_in_a_conversation_that_the_agent_does_not_have() -> None:
    """Somebody may let the agent join a conversation by answering to it, too."""
    text = "please look\n\nOn Mon, 5 Jan 2026, Mia <mia@shop.example> wrote:\n> It is down."
    assert extract_message(text, NEW) == text
    assert extract_message(text, KNOWN) == OWN
    assert extract_message("> It is down.", KNOWN) == ""


def test_a_signature_above_a_quote_is_removed_and_the_quote_is_kept() -> None:
    quote = "On Mon, 5 Jan 2026, Mia\n<mia@shop.example> wrote:\n\n> It is down."
    assert extract_message(f"{OWN}\n\n-- \nAna Smith\n\n{quote}", NEW).split() == [
        *OWN.split(),
        *quote.split(),
    ]
