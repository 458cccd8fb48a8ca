"""What a mail says, paragraph by paragraph, and how that reads as text and as simple HTML.

A call is shown whole and exactly, or not at all. In the text, only our own sentences start at the
left edge: what others wrote is indented, and so are its long lines where they are broken. The HTML
has no markup and no link of anybody else's.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from html import escape
from textwrap import TextWrapper
from typing import Any, Literal

from ..characters import clean
from ..log.events import cut
from ..people.cards import (
    KINDS,
    format_audience,
    format_scope,
    list_facts,
    title_wait,
    write_call,
)

LONGEST_CALL = 20_000
"""Characters of a call that a mail shows; Gmail hides the end of a mail above 100 kB."""
_LONGEST = 20_000
"""Characters of anything else, which is cut."""
_INDENT = "  "
_WRAPPER = TextWrapper(
    72,
    initial_indent=_INDENT,
    subsequent_indent=_INDENT,
    expand_tabs=False,
    replace_whitespace=False,
    break_long_words=False,
    break_on_hyphens=False,
)
_STYLES = {
    "own": "white-space: pre-wrap",
    "said": "white-space: pre-wrap; border-left: 3px solid #999; padding-left: 1em",
    "exact": "margin: 0 0 0 2em; text-indent: -1em; white-space: pre-wrap; overflow-wrap: anywhere",
}


@dataclass(frozen=True)
class Paragraph:
    text: str
    form: Literal["own", "said", "exact"] = "own"
    """`own` is our sentence, `said` is what others wrote, and of `exact` every character counts."""


def write_result(message: str) -> Paragraph:
    return Paragraph(cut(clean(message), _LONGEST))


def write_wait(
    data: dict[str, Any], audience: Sequence[str], reader: str, *, again: bool, has_page: bool
) -> list[Paragraph]:
    """Write all that one has to know to answer a wait; `data` is that of its `paused` event.

    `audience` is everybody who may answer. A reminder asks `again`.
    """
    still, who = " still" if again else "", name_audience(audience, reader)
    asks = f"{KINDS[data['kind']]}: the agent{still} waits for an answer from {who}"
    head = f"{asks}{_write_end(data, reader)}."
    parts = [Paragraph(head), Paragraph(cut(title_wait(data), _LONGEST), "said")]
    if data.get("call"):
        parts += _write_call(data, has_page)
    for name, fact in list_facts(data):
        parts += [Paragraph(f"{name}:"), Paragraph(fact, "said")]
    if choices := _list_choices(data):
        parts.append(Paragraph(cut("\n".join(choices), _LONGEST), "said"))
    return parts


def name_audience(audience: Sequence[str], reader: str) -> str:
    """Name those who may answer; an address or an id of somebody else is not the reader's."""
    known = [name for name in audience if name == reader or ":" not in name]
    return format_audience(known if len(known) == len(audience) else [*known, "others"], reader)


def format_text(paragraphs: Iterable[Paragraph], link: str) -> str:
    return "\n\n".join([*map(_indent, paragraphs), *filter(None, [link])]) + "\n"


def format_html(paragraphs: Iterable[Paragraph], link: str) -> str:
    shown = [_mark_up(each) for each in paragraphs]
    if link:
        shown.append(f'<p><a href="{escape(link)}">Open the page</a></p>')
    return f"<!doctype html>\n<html><body>\n{chr(10).join(shown)}\n</body></html>\n"


def _write_end(data: dict[str, Any], reader: str) -> str:
    """Say until when a wait can be answered, and who is asked after that."""
    if not (expires_at := data.get("expires_at")):
        return ""
    until = f" until {datetime.fromisoformat(expires_at):%Y-%m-%d %H:%M} UTC"
    others = data.get("escalate")
    return f"{until}, and after that from {name_audience(others, reader)}" if others else until


def _write_call(data: dict[str, Any], has_page: bool) -> list[Paragraph]:
    """Write all of a call, and of the scope that may be approved with it, or how long it is."""
    call, scope = "\n".join(write_call(data["call"])), format_scope(data)
    if len(call) + len(scope) > LONGEST_CALL:
        where = "on the page" if has_page else "where you decide"
        why = f"The call has {len(call):,} characters, too many for a mail."
        return [Paragraph(f"{why} Read all of it {where} before you decide.")]
    parts = [Paragraph("This is the whole call:"), Paragraph(call, "exact")]
    if scope:
        also = "It can be approved once, or for this thread. Then this runs without asking again:"
        parts += [Paragraph(also), Paragraph(scope, "exact")]
    return parts


def _list_choices(data: dict[str, Any]) -> list[str]:
    options = data.get("options") or {}
    choices = ("yes", "no") if options.get("format") == "yes_no" else options.get("choices", ())
    flat = [" ".join(clean(str(choice)).split()) for choice in choices]
    return [f"{place}. {choice}" for place, choice in enumerate(flat, 1)]


def _indent(paragraph: Paragraph) -> str:
    lines = paragraph.text.split("\n")
    match paragraph.form:
        case "exact":
            return "\n".join(f"{_INDENT}{line}" for line in lines)
        case "said":
            return "\n".join(_WRAPPER.fill(line) for line in lines)
    return paragraph.text


def _mark_up(paragraph: Paragraph) -> str:
    """Return a paragraph as HTML; each line of an exact one is an element of its own."""
    style, form = _STYLES[paragraph.form], paragraph.form
    if form != "exact":
        return f'<p dir="auto" style="{style}">{escape(paragraph.text, quote=False)}</p>'
    lines = (escape(line, quote=False) for line in paragraph.text.split("\n"))
    return "\n".join(f'<pre dir="ltr" style="{style}">{line}</pre>' for line in lines)
