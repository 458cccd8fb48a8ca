"""Text to Slack and from Slack: escaped, split, and read."""

import pytest

from agent.engine.slack.text import MAX_SECTION, escape, read_message, split_sections


@pytest.mark.parametrize("text", ["&" * 9_000, "a b " * 3_000, "x" * 11_000])
def test_text_is_never_split_inside_an_entity(text: str) -> None:
    pieces = split_sections(text)
    assert all(0 < len(piece) <= MAX_SECTION for piece in pieces)
    assert all(piece.count("&") == piece.count("&amp;") for piece in pieces)


def test_a_short_text_is_kept() -> None:
    assert escape("a < b & c\n\u00fc") == "a &lt; b &amp; c\n\u00fc"


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("a &lt;b&gt; &amp;amp;", "a <b> &amp;"),
        ("<@U1> and <@U7>", "@ana and @U7"),
        ("<#C1|general> <#C2>", "#general #C2"),
        ("<!here> <!subteam^S1|@ops> <!subteam^S2>", "@here @ops @subteam"),
        ("<https://x.org/?a=1&amp;b=2>", "https://x.org/?a=1&b=2"),
        ("<https://x.org|the site> <http://x.org|x.org>", "the site (https://x.org) http://x.org"),
        ("<mailto:a@b.org|a@b.org>", "a@b.org"),
        ("&lt;@U1&gt; <> a < b", "<@U1> <> a < b"),
    ],
)
def test_a_message_is_read_as_people_see_it(text: str, read: str) -> None:
    assert read_message(text) == read
