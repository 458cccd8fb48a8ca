"""Finds where another mail begins in the text of a mail: its headers, in any language.

Mail programs write the same headers above a mail that is forwarded and above one that is answered.
So what counts is whether the agent has that mail already: in a conversation that it has, a mail is
history if the agent sent or received it, and else it was forwarded. The subject does not count.
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
class Block:
    """Where another mail begins."""

    place: int
    """The line of its first header, or of the divider above that."""
    forwarded: bool
    """The agent does not have this mail, or somebody says that they forward it."""


_COLONS = (":", "\uff1a")
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


def find_block(lines: Sequence[str], address: str) -> Block | None:
    """Return the first other mail in a text; None if there is none.

    `address`: the agent's own, in lower case; "" if it does not have this conversation.
    """
    headers = [split_header(line) for line in lines]
    above = ""
    for place, line in enumerate(lines):
        found = _find_headers(lines, headers, place, above)
        if divider := read_divider(line):
            if found or (_ANSWERED.fullmatch(divider) and not line.startswith(">")):
                expressly = bool(_FORWARDED.search(divider))
                new = not address or (bool(found) and _is_new(found, address))
                return Block(place, new or expressly)
        elif found:
            introduction = next((each for each in (line, above) if each.endswith(_COLONS)), "")
            expressly = bool(_FORWARDED.search(introduction))
            return Block(place, not address or expressly or _is_new(found, address))
        above = line.strip() if line.strip("> ") else above
    return None


def _find_headers(
    lines: Sequence[str], headers: Sequence[Header | None], place: int, above: str
) -> list[Header]:
    """Return the headers of a mail that begins at a line, `above` being the last before it."""
    line = lines[place]
    if line.startswith(">") and (_is_attribution(above) or above.startswith(">")):
        return []  # it is quoted, or inside something that is
    if read_divider(line):
        found = collect_headers(lines, headers, place + 1)
        return found if len(found) > 1 else []
    found = collect_headers(lines, headers, place) if headers[place] else []
    under_rule = bool(above) and not above.strip(MARKS)
    return found if found and _is_mail(found, under_rule) else []


def _is_attribution(line: str) -> bool:
    """Say whether a line introduces a quote, as in "On Monday, 10:00, Ana <a@x.org> wrote:"."""
    return line.endswith(_COLONS) and bool(re.search(r"[\d@]", line))


def _is_mail(found: Sequence[Header], under_rule: bool) -> bool:
    """Say whether these are certainly the headers of a mail."""
    values = [value for _, value in found]
    dated = any(map(_DATE.search, values))
    if has_known_names(found):
        return True
    addressed = bool(ADDRESS.search(values[0])) or under_rule
    return len(found) >= 4 and dated and addressed


def _is_new(found: Sequence[Header], address: str) -> bool:
    """Say whether a mail with these headers is not one that the agent sent or received."""
    people = [value for kind, value in found if kind not in ("when", "subject")]
    addresses = {each.lower() for value in people for each in ADDRESS.findall(value)}
    if not addresses:  # a program that shows names only
        return not has_known_names(found)
    sure = has_known_names(found) or bool(ADDRESS.search(found[0][1]))
    return not (address in addresses and sure)
