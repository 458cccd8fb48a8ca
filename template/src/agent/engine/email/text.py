"""What somebody wrote, without the mail they answer and without their signature.

It is cautious: a line is removed only if a mail program certainly put it there. A line too many
costs tokens; a line too few may lose the answer. The libraries for this mistake lists and lines
such as "From: …" for quotes, and take quadratic time for hostile mails.
"""

import re

_ATTRIBUTION = re.compile(
    r"(?:On|Am|Le|El|Il|Op|Den|Em|Dnia|W dniu)\s.{5,400}\b(?:wrote|schrieb|a écrit|escribió|"
    r"ha scritto|schreef|skrev|escreveu|napisał\S{0,6})\b.{0,200}:",
    re.IGNORECASE,
)
_BY_ADDRESS = re.compile(
    r".{5,300}<[^<>@\s]+@[^<>@\s]+>(?: wrote| schrieb| a écrit)?\s?:", re.IGNORECASE
)
_DIVIDER = re.compile(
    r"\s*-{3,}\s*(?:Original Message|Original-Nachricht|Ursprüngliche Nachricht|"
    r"Message d'origine|Mensaje original|Messaggio originale|Oorspronkelijk bericht)\s*-{3,}\s*",
    re.IGNORECASE,
)
_HEADERS = (
    ("From|Von|De|Da|Van|Från|Fra|Od", "first"),
    ("Sent|Date|Gesendet|Datum|Envoyé|Enviado|Fecha|Inviato|Data|Verzonden|Skickat|Sendt", "when"),
    ("Subject|Betreff|Objet|Asunto|Oggetto|Onderwerp|Ämne|Emne|Temat", "subject"),
    ("To|An|À|Para|A|Aan|Till|Til|Do|Cc|Kopie", "other"),
)
_HEADER = re.compile(
    r"[\s*]*(?:" + "|".join(f"(?P<{kind}>{names})" for names, kind in _HEADERS) + r")\s?:[\s*]*\S.*"
)
_SENT_FROM = re.compile(
    r"(?:Sent from (?:my|Outlook|Yahoo|Proton)|Get Outlook for|Von mein\w+ .{0,60} gesendet|"
    r"Gesendet (?:von|mit)|Envoyé (?:de mon|depuis)|Enviado desde|Inviato da).{0,80}",
    re.IGNORECASE,
)
_FORWARDS = re.compile(r"(?:fwd?|wg|tr|rv|i|doorst)\s?:", re.IGNORECASE)
_LONG_LINE = 1_000


def extract_own_words(text: str, subject: str) -> str:
    """Return what the writer of a reply added; the whole text if they forward something."""
    lines = [line.rstrip() for line in text.replace("\xa0", " ").split("\n")]
    if not _FORWARDS.match(subject):
        lines = _remove_quotes(lines)
    return remove_signature("\n".join(lines))


def remove_signature(text: str) -> str:
    lines = text.rstrip().split("\n")
    for place, line in enumerate(lines):
        if line.rstrip() == "--" and place >= len(lines) - 20:
            lines = lines[:place]
            break
    while lines and (not lines[-1].strip() or _matches(_SENT_FROM, lines[-1])):
        lines.pop()
    return "\n".join(lines).strip()


def _remove_quotes(lines: list[str]) -> list[str]:
    kept: list[str] = []
    for place, line in enumerate(lines):
        if _matches(_DIVIDER, line) or _is_header_block(lines, place):
            break
        if not line.startswith(">"):
            kept.append(line)
        elif place and not lines[place - 1].startswith(">"):
            _drop_attribution(kept)
    else:
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


def _is_header_block(lines: list[str], place: int) -> bool:
    """Say whether the headers of a quoted mail start here, as Outlook writes them."""
    first = _classify_header(lines[place])
    kinds = (
        [_classify_header(line) for line in lines[place + 1 : place + 6]]
        if first == "first"
        else []
    )
    return {"when", "subject"}.issubset(kinds) and kinds[0] is not None


def _classify_header(line: str) -> str | None:
    found = _HEADER.fullmatch(line) if len(line) < _LONG_LINE else None
    return found.lastgroup if found else None


def _matches(pattern: re.Pattern[str], line: str) -> bool:
    return len(line) < _LONG_LINE and bool(pattern.fullmatch(line.strip()))
