"""What somebody wrote, without the mail they answer and without their signature.

It is cautious: a line is removed only if a mail program certainly put it there. A line too many
costs tokens; a line too few may lose the answer. The libraries for this mistake lists and lines
such as "From: …" for quotes, and take quadratic time for hostile mails.
"""

import re

from .blocks import find_block

_ATTRIBUTION = re.compile(
    r"(?:On|Am|Le|El|Il|Op|Den|Em|Dnia|W dniu)\s.{5,400}\b(?:wrote|schrieb|a écrit|escribió|"
    r"ha scritto|schreef|skrev|escreveu|napisał\S{0,6})\b.{0,200}:",
    re.IGNORECASE,
)
_BY_ADDRESS = re.compile(
    r".{5,300}<[^<>@\s]+@[^<>@\s]+>(?: wrote| schrieb| a écrit)?\s?:", re.IGNORECASE
)
_SENT_FROM = re.compile(
    r"(?:Sent from (?:my|Outlook|Yahoo|Proton)|Get Outlook for|Von mein\w+ .{0,60} gesendet|"
    r"Gesendet (?:von|mit)|Envoyé (?:de mon|depuis)|Enviado desde|Inviato da).{0,80}",
    re.IGNORECASE,
)
_LONG_LINE = 1_000


def extract_message(text: str, address: str) -> str:
    """Return what the writer added, and the mail that they forward.

    `address`: the agent's own, in lower case; "" if it does not have the conversation, so that
    everything in the mail is new to it.
    """
    lines = [line.rstrip() for line in text.replace("\xa0", " ").split("\n")]
    block = find_block(lines, address)
    place = block.place if block else len(lines)
    own = _remove_quotes(lines[:place]) if address else lines[:place]
    other = "" if block and not block.forwarded else "\n".join(lines[place:]).strip()
    return "\n\n".join(filter(None, [remove_signature("\n".join(own)), other]))


def remove_signature(text: str) -> str:
    lines = text.rstrip().split("\n")
    for place, line in enumerate(lines):
        if line.rstrip() == "--" and place >= len(lines) - 20:
            lines = lines[:place] + _find_quote(lines[place + 1 :])
            break
    while lines and (not lines[-1].strip() or _matches(_SENT_FROM, lines[-1])):
        lines.pop()
    return "\n".join(lines).strip()


def _find_quote(lines: list[str]) -> list[str]:
    """Return the lines from the first quote on, with the paragraph that introduces it."""
    start = next((place for place, line in enumerate(lines) if line.startswith(">")), None)
    if start is None:
        return []
    while start and not lines[start - 1].strip():
        start -= 1
    while start and lines[start - 1].strip():
        start -= 1
    return ["", *lines[start:]]


def _remove_quotes(lines: list[str]) -> list[str]:
    kept: list[str] = []
    for place, line in enumerate(lines):
        if not line.startswith(">"):
            kept.append(line)
        elif place and not lines[place - 1].startswith(">"):
            _drop_attribution(kept)
    _drop_attribution(kept)
    while kept and not kept[-1].strip("_ "):
        kept.pop()
    return kept


def _drop_attribution(kept: list[str]) -> None:
    """Remove "On Monday, Ana wrote:", in up to three lines, from the end of what is kept."""
    end = len(kept)
    while end and not kept[end - 1]:
        end -= 1
    for pattern, count in [*((_ATTRIBUTION, count) for count in (1, 2, 3)), (_BY_ADDRESS, 1)]:
        if end >= count and _matches(pattern, " ".join(kept[end - count : end])):
            del kept[end - count :]
            return


def _matches(pattern: re.Pattern[str], line: str) -> bool:
    return len(line) < _LONG_LINE and bool(pattern.fullmatch(line.strip()))
