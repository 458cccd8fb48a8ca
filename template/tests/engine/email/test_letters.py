"""The headers of our mails, and what they say about answering."""

from dataclasses import replace
from typing import Any

import pytest

from agent.engine.email.letters import Letterhead, write_letter
from agent.engine.email.stamp import Stamp
from agent.engine.log.events import CallJson, Event, make_event
from agent.engine.log.thread import Thread

from ..domain import make_message, make_pause, make_thread
from .mail_servers import SECRET
from .mails import read_part, receive

STAMP = Stamp("Agent", "agent@example.org", SECRET)
PAGES = Letterhead(STAMP, "https://agent.example")
HOME = "email:ana@example.org?subject=Charge+them"
CALL: CallJson = {"intent": "charge", "amount": 500}


def write(thread: Thread, event: Event, name: str = "bob", letterhead: Letterhead = PAGES) -> Any:
    """Return the mail about an event of a thread to ana or bob, as it arrives."""
    return receive(write_letter(letterhead, thread, event, name, f"{name}@example.org"))


def remind(thread: Thread, wait: Event) -> Event:
    """Return a reminder as channels get it."""
    seq = thread.state.wait.seq if thread.state.wait else 0
    return replace(
        make_event("reminded", "system", wait=seq), seq=9, data=wait.data | {"wait": seq}
    )


@pytest.mark.parametrize(
    ("event", "subject"),
    [
        (make_pause("approval", "bob", call=CALL), "Approval: approval?"),
        (make_pause("in_doubt", "bob", call=CALL), "Outcome unknown: in_doubt?"),
        (make_pause("limit", "bob"), "Limit reached: limit?"),
        (make_pause("job", "bob"), "Waiting for a result: job?"),
        (make_pause("question", "bob"), "Question: question?"),
        (make_event("finished", message="It is\n\nready\u202e."), "Done: It is ready\\u202e."),
        (make_event("finished", message="x" * 90), f"Done: {'x' * 79}…"),
    ],
)
def test_a_subject_says_what_it_is_about(event: Event, subject: str) -> None:
    thread = make_thread(make_message(), event)
    assert write(thread, thread.events[-1])["Subject"] == subject


@pytest.mark.parametrize(
    ("name", "subject"),
    [("ana", "Reminder: Re: Charge them"), ("bob", "Reminder: Approval: approval?")],
)
def test_a_reminder_is_a_mail_of_its_own_in_the_thread_of_the_first(
    name: str, subject: str
) -> None:
    first = make_message(reply_to=HOME, source="email")
    came = make_event("message", "ana", "in:email:<m1@example.org>", **first.data)
    thread = make_thread(came, make_pause("approval", "ana", "bob", call=CALL))
    asked, again = thread.events[-1], remind(thread, thread.events[-1])
    before, mail = write(thread, asked, name), write(thread, again, name)
    assert mail["Subject"] == subject
    assert mail["Message-ID"] == STAMP.make_message_id("t", 9) != before["Message-ID"]
    assert mail["In-Reply-To"] == before["Message-ID"]
    assert mail["References"].split()[-1] == before["Message-ID"]
    assert before["References"].split() == mail["References"].split()[:-1]
    text = read_part(mail, "plain")
    assert "the agent still waits for an answer from you" in text
    token = text.partition("/email/wait/")[2].strip()
    link = STAMP.open_link(token)
    assert link
    assert (link.wait, link.digest, link.person) == (2, asked.data["digest"], name)


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("question", "Answer on this page. A reply answers the question."),
        ("approval", "does not approve. A reply withdraws the request: the agent reads it"),
        ("limit", "A reply lets the agent go on, with what you write."),
        ("job", "that it failed, report it on this page. The agent reads a reply once"),
        ("in_doubt", "report it on this page. The agent reads a reply once this is answered."),
    ],
)
@pytest.mark.parametrize("takes_replies", [True, False])
def test_a_mail_says_what_a_reply_would_do(kind: str, says: str, takes_replies: bool) -> None:
    thread = make_thread(make_message(), make_pause(kind, "bob", call=CALL))
    letterhead = replace(PAGES, takes_replies=takes_replies)
    text = read_part(write(thread, thread.events[-1], letterhead=letterhead), "plain")
    assert (says in text) == takes_replies
    assert ("Replies to this mail are not read." in text) != takes_replies


def test_everybody_who_may_answer_is_named_but_for_addresses_of_others() -> None:
    thread = make_thread(
        make_message(), make_pause("question", "cleo", "bob", "email:eve@x.example")
    )
    theirs = replace(thread.events[-1], data=thread.events[-1].data | {"audience": ["bob"]})
    mail = write(thread, theirs)
    assert "an answer from you or cleo or others." in read_part(mail, "plain")
    assert "eve@" not in mail.as_string()
