"""The HTML of a mail, as text."""

import pytest

from agent.engine.email.html import convert_html


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<div>one</div><div>two &amp; three</div>", "one\n\ntwo & three"),
        ("a\nb <b>c</b>d", "a b cd"),
        ("<style>p {}</style><script>alert('<p>')</script><!-- <p>no</p> -->yes", "yes"),
        (
            '<p>yes</p><blockquote type="cite"><p>May I?</p>Ok?</blockquote>no',
            "yes\n\n>\n>May I?\n>Ok?\nno",
        ),
        (
            'see <a class=x href="https://x.example/?a=1&amp;b">this</a>',
            "see <https://x.example/?a=1&b> this",
        ),
        ('<a href="javascript:alert(1)">this</a>', "this"),
        ("a <p", "a"),
        ("&#0;&lt;b&gt;", "\ufffd<b>"),
    ],
)
def test_html_is_converted_to_text(html: str, text: str) -> None:
    assert convert_html(html) == text
