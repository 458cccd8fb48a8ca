"""Text to Slack and from Slack: nothing that a model, a tool or a person wrote notifies anybody.

Slack interprets only what is between `<` and `>`, so those are escaped. `verbatim` sections keep
`@here` and web addresses as text: https://docs.slack.dev/messaging/formatting-message-text
"""

import re

from ..characters import clean
from ..log.events import cut
from ..people.identity import find_identities, resolve_person

MAX_SECTION = 3_000
"""Characters of one text in a message; Slack refuses longer ones."""

_REFERENCE = re.compile(r"<([^<>\n]+)>")
_BOLD = re.compile(r"\*\*(\S|\S[^*\n]*\S)\*\*")


def read_message(text: str) -> str:
    """Return a message from Slack as people see it: mentions by name, links with their address."""
    plain = _REFERENCE.sub(_spell_out, text)
    return plain.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&").strip()


def escape(text: str, limit: int = MAX_SECTION) -> str:
    """Return `text` so that Slack shows it as it is, cut visibly to `limit`, which is >= 300.

    An escape is at most five characters long, and a cut text needs at least fifty.
    """
    plain, size = clean(text), limit
    while len(shown := escape_entities(cut(plain, size))) > limit:
        size = max(50, size * limit // len(shown))
    return shown


def escape_line(text: str, limit: int) -> str:
    """Return `text` as it is on one line, cut visibly to `limit`, which is >= 100.

    Backticks become apostrophes: Slack has no escape for them, and they could make a block of code
    that looks like a call.
    """
    plain, size = text.replace("`", "'"), limit
    while len(shown := escape_entities(shorten(plain, size))) > limit:
        size = size * limit // len(shown)
    return shown


def escape_entities(text: str) -> str:
    """Return `text` so that Slack finds no mention, link or date in it."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def split_sections(text: str) -> list[str]:
    """Return a model's text as up to four sections, with bold in Slack's notation."""
    left, pieces = _BOLD.sub(r"*\1*", escape(text, 4 * MAX_SECTION - 300)), list[str]()
    while len(left) > MAX_SECTION:
        end = left.rfind("\n", MAX_SECTION // 2, MAX_SECTION)
        end = end if end > 0 else left.rfind(" ", MAX_SECTION - 100, MAX_SECTION)
        if end < 0:  # do not cut through an entity, which is at most five characters long
            end = left.rfind("&", MAX_SECTION - 5, MAX_SECTION)
        end = end if end > 0 else MAX_SECTION
        pieces.append(left[:end])
        left = left[end:]
    return [*pieces, left]


def shorten(text: str, limit: int = 75) -> str:
    """Return `text` on one line for a button or a list, where Slack interprets nothing."""
    line = " ".join(clean(text).split()) or "-"
    return line if len(line) <= limit else line[: limit - 1] + "…"


def mention(actor: str) -> str:
    """Return a mention of an actor who is in this Slack, else the name that the log has."""
    known = find_identities(actor, "slack")
    return f"<@{known[0]}>" if known else escape_line(actor, 300)


def _spell_out(found: re.Match[str]) -> str:
    target, _, text = found[1].partition("|")
    match target[:1]:
        case "@":
            return "@" + resolve_person("slack", target[1:]).removeprefix("slack:")
        case "#":
            return "#" + (text or target[1:])
        case "!":
            return text or "@" + target[1:].partition("^")[0]
    address = target.removeprefix("mailto:").removeprefix("tel:")
    return f"{text} ({address})" if address and text not in address else address or text
