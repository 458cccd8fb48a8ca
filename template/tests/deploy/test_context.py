"""How the sample reads in the context window. Yours, with the sample."""

from agent.deploy.context import render
from agent.engine import Event, Thread

TAGS = [
    {"name": "v2", "date": "2026-03-15T10:00:00Z"},
    {"name": "v1", "date": "2026-03-14T15:30:00Z"},
]


def test_the_tags_that_were_fetched_beforehand_are_a_line_each() -> None:
    fetched = Event("message", {"facts": {"git_tags": TAGS}}, "system")
    assert render(fetched, Thread("t")) == (
        "<git_tags>\n    v2 of 2026-03-15\n    v1 of 2026-03-14\n</git_tags>"
    )


def test_every_other_event_is_left_to_the_engine() -> None:
    assert render(Event("message", {"text": "hello"}), Thread("t")) is None
