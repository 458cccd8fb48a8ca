"""How a thread stands: what its page shows at the top, and when that is another state."""

from agent.engine.inbox.now import describe_now
from agent.engine.log.events import CallJson, Event, make_event

from ..domain import make_answer, make_delivery, make_message, make_pause, make_step, make_thread

CALL: CallJson = {"intent": "charge", "amount": 500}
FIRST = (make_message(), make_step(**CALL))
ASKED = make_pause("approval", call=CALL)


def keys(*events: Event) -> list[str]:
    """Return the state that the page shows after each event."""
    thread = make_thread(*events)
    return [describe_now(thread.before(seq + 1), "ana").key for seq in range(1, len(events) + 1)]


def test_each_state_that_a_page_shows_has_a_key_of_its_own() -> None:
    done = make_event("finished", message="done")
    events = (*FIRST, ASKED, make_message("no"), *FIRST, ASKED, done, make_message(), done)
    states = keys(*events)
    assert states[:2] == ["working", "working"]
    assert states[2] != states[6]
    assert states[7] != states[9]


def test_what_changes_nothing_to_decide_is_the_same_state() -> None:
    rated = make_event("rated", "ana", step=2, rating="good")
    states = keys(*FIRST, ASKED, make_delivery(3), rated)
    assert states[2] == states[3] == states[4]


def test_a_standing_approval_is_listed_with_its_scope_until_it_is_revoked() -> None:
    given = make_answer(
        3, "approve", "bob", standing={"intent": "charge", "values": {"amount": 500}}
    )
    events = (*FIRST, ASKED, given)
    now = describe_now(make_thread(*events), "ana")
    assert now.standing == [(4, "every charge with amount: 500", "bob")]
    revoked = make_event("revoked", "ana", approval=4)
    after = describe_now(make_thread(*events, revoked), "ana")
    assert (after.standing, after.key != now.key) == ([], True)


def test_a_message_is_explained_to_whoever_would_write_it() -> None:
    question = make_thread(make_message(), make_pause("question", "bob"))
    assert describe_now(question, "bob").hint == "A message answers the question."
    assert "answers the question" not in describe_now(question, "ana").hint
    finished = make_thread(make_message(), make_event("finished", message="done"))
    assert describe_now(finished, "ana").hint == "A message opens the thread again."
    assert "before it goes on" in describe_now(make_thread(make_message()), "ana").hint
