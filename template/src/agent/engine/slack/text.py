"""Text to Slack and from Slack: nothing that a model, a tool or a person wrote pings anybody.

Slack obeys only what stands in `<…>`, so that is escaped; sections are sent `verbatim`, so that
`@here` and addresses stay text. https://docs.slack.dev/messaging/formatting-message-text
"""

import re

from ..log.characters import clean
from ..log.events import cut
from ..people.identity import identities, name_of

MAX_SECTION = 3_000
"""Characters of one text in a message; Slack refuses longer ones."""

_MARK = re.compile(r"<([^<>\n]+)>")
_BOLD = re.compile(r"\*\*(\S|\S[^*\n]*\S)\*\*")


def readable(text: str) -> str:
    """Return what Slack sent as people read it: mentions by name, links with their address."""
    plain = _MARK.sub(_spelled, text)
    return plain.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&").strip()


def escaped(text: str, limit: int = MAX_SECTION) -> str:
    """Return `text` so that Slack shows it and obeys nothing in it, cut visibly to `limit` >= 300.

    An escape is five characters long at most, and a cut text needs fifty.
    """
    plain, size = clean(text), limit
    while len(shown := _escape(cut(plain, size))) > limit:
        size = max(50, size * limit // len(shown))
    return shown


def mrkdwn(text: str) -> list[str]:
    """Return a model's text as up to four sections, bold as Slack writes it."""
    left, pieces = _BOLD.sub(r"*\1*", escaped(text, 4 * MAX_SECTION - 300)), list[str]()
    while len(left) > MAX_SECTION:
        end = left.rfind("\n", MAX_SECTION // 2, MAX_SECTION)
        end = end if end > 0 else left.rfind(" ", MAX_SECTION - 100, MAX_SECTION)
        if end < 0:  # an entity is at most five characters long, and stays whole
            end = left.rfind("&", MAX_SECTION - 5, MAX_SECTION)
        end = end if end > 0 else MAX_SECTION
        pieces.append(left[:end])
        left = left[end:]
    return [*pieces, left]


def label(text: str, limit: int = 75) -> str:
    """Return `text` for a button or a list, where Slack obeys nothing."""
    line = " ".join(clean(text).split()) or "-"
    return line if len(line) <= limit else line[: limit - 1] + "…"


def who(actor: str) -> str:
    """Name an actor: as somebody of this Slack if they are, else as the log does."""
    known = identities(actor, "slack")
    return f"<@{known[0]}>" if known else escaped(actor, 300)


def _escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _spelled(found: re.Match[str]) -> str:
    target, _, text = found[1].partition("|")
    match target[0]:
        case "@":
            return "@" + name_of("slack", target[1:]).removeprefix("slack:")
        case "#":
            return "#" + (text or target[1:])
        case "!":
            return text or "@" + target[1:].partition("^")[0]
    address = target.removeprefix("mailto:").removeprefix("tel:")
    return f"{text} ({address})" if text and text not in address else address
