"""Finds where another mail begins in the text of a mail: its headers, in any language.

Mail programs write the same headers above a mail that is forwarded and above one that is answered.
So what counts is whether the agent has that mail already: it is history if the agent sent it or
received it, and else it was forwarded to the agent. No prefix of a subject decides this.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from .headers import (
    MARKS,
    Header,
    collect_headers,
    has_known_names,
    read_divider,
    split_header,
)
from .stamp import ADDRESS


@dataclass(frozen=True)
class Known:
    """What the agent knows of the conversation that a mail belongs to."""

    address: str
    """The agent's own, in lower case."""
    name: str = ""
    """The agent's, as its mails show it."""
    seen: bool = False
    """The agent has a thread of this conversation."""


@dataclass(frozen=True)
class Block:
    """Where another mail begins."""

    place: int
    """The line of its first header, or of the divider above that."""
    forwarded: bool
    """The agent does not have this mail yet, or it was forwarded expressly."""


_DATE = re.compile(r"(?:19|20)\d\d|\d{1,2}[:.]\d\d")
_ANSWERED = re.compile(
    r"Original Message|Original[- ]Nachricht|Ursprüngliche Nachricht|Message d['\u2019]origine|"
    r"Mensaje original|Messaggio originale|Oorspronkelijk bericht|Mensagem original|"
    r"Ursprungligt meddelande|Oprindelig meddelelse|Oryginalna wiadomość|Исходное сообщение",
    re.IGNORECASE,
)
_FORWARDED = re.compile(
    r"\bforw|weiterge|transf|trasm|reenv|encamin|inoltr|doorg|vidarebef|videres|przekaz|přepos|"
    r"edelleen|välitet|továbbí|iletil|пересл|перенапр|προωθ|הועבר|转发|轉寄|転送|전달",
    re.IGNORECASE,
)


def find_block(lines: Sequence[str], known: Known) -> Block | None:
    """Return the first other mail in a text; None if there is none."""
    headers = [split_header(line) for line in lines]
    above = ""
    for place, line in enumerate(lines):
        found = _find_headers(lines, headers, place, above)
        if divider := read_divider(line):
            if found or _ANSWERED.fullmatch(divider):
                expressly = bool(_FORWARDED.search(divider))
                return Block(place, bool(found) and _is_forwarded(found, known, expressly))
        elif found:
            expressly = above.endswith((":", "\uff1a")) and bool(_FORWARDED.search(above))
            return Block(place, _is_forwarded(found, known, expressly))
        above = line.strip() or above
    return None


def _find_headers(
    lines: Sequence[str], headers: Sequence[Header | None], place: int, above: str
) -> list[Header]:
    """Return the headers of a mail that begins at a line, `above` being the last before it."""
    line = lines[place]
    if line.startswith(">") and (_is_attribution(above) or above.startswith(">")):
        return []  # it is quoted, or inside something that is
    if read_divider(line) and not line.startswith(">"):
        found = collect_headers(lines, headers, place + 1)
        return found if len(found) > 1 else []
    found = collect_headers(lines, headers, place) if headers[place] else []
    under_rule = bool(above) and not above.strip(MARKS)
    return found if found and _is_mail(found, under_rule) else []


def _is_attribution(line: str) -> bool:
    """Say whether a line introduces a quote, as in "On Monday, 10:00, Ana <a@x.org> wrote:"."""
    return line.endswith(":") and bool(re.search(r"[\d@]", line))


def _is_mail(found: Sequence[Header], under_rule: bool) -> bool:
    """Say whether these are certainly the headers of a mail."""
    values = [value for _, value in found]
    dated = any(map(_DATE.search, values))
    if has_known_names(found):
        return True
    addressed = bool(ADDRESS.search(values[0])) or under_rule
    return len(found) >= 4 and dated and addressed


def _is_forwarded(found: Sequence[Header], known: Known, expressly: bool) -> bool:
    """Say whether the agent does not have a mail yet, or it was forwarded expressly."""
    if expressly:
        return True
    people = [value for kind, value in found if kind not in ("when", "subject")]
    addresses = {each.lower() for value in people for each in ADDRESS.findall(value)}
    named = has_known_names(found)
    if addresses:
        sure = named or bool(ADDRESS.search(found[0][1]))
        return not (known.address in addresses and sure)
    names = {name.strip(" '\"").casefold() for value in people for name in re.split("[;,]", value)}
    is_ours = bool(known.name) and known.name.casefold() in names
    return not (named and (known.seen or is_ours))
