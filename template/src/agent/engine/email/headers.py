"""Reads the headers that mail programs write above another mail in a text, in any language.

It knows their names in some languages, and else only their shape: a few words, a colon, a value.
"""

import re
from collections.abc import Sequence

_KINDS = (
    ("From|Von|De|De la|Da|Van|Från|Fra|Frá|Od|Lähettäjä|Feladó|Kimden|От|От кого|Від|Από|מאת|من|"
     "差出人|发件人|寄件者|보낸 사람", "first"),
    ("Sent|Date|Gesendet|Datum|Dato|Envoyé|Enviado(?: em| el)?|Fecha|Inviato|Data|Verzonden|"
     "Skickat|Sendt|Lähetetty|Päiväys|Päivämäärä|Odesláno|Wysłane|Wysłano|Elküldve|Dátum|Tarih|"
     "Gönderilen|Gönderildi|Дата|Отправлено|Надіслано|Trimis|Στάλθηκε|Ημερομηνία|תאריך|נשלח|"
     "التاريخ|送信日時|日付|发送时间|日期|寄件日期|보낸 날짜|날짜", "when"),
    ("Subject|Betreff|Objet|Asunto|Oggetto|Onderwerp|Ämne|Emne|Temat|Aihe|Předmět|Predmet|Tárgy|Konu|"
     "Тема|Assunto|Subiect|Θέμα|Efni|נושא|الموضوع|件名|主题|主旨|제목", "subject"),
)  # fmt: skip
_KNOWN = re.compile("|".join(f"(?P<{kind}>{names})" for names, kind in _KINDS), re.IGNORECASE)
_NAME = re.compile(r"[^\W\d_][^<>@*_\d]{0,40}")
MARKS = "-_=\u2500\u2501"
_LONG_LINE = 1_000
_LONGEST = 24
"""Lines of headers that are looked at."""

Header = tuple[str, str]
"""What it says, `first` for From, `other` if that is unknown, and its value."""


def split_header(line: str) -> Header | None:
    name, colon, value = line[:_LONG_LINE].replace("\uff1a", ":").partition(":")
    name = name.strip("> *_\t")
    if not colon or not _NAME.fullmatch(name):
        return None
    kind = _KNOWN.fullmatch(name)
    return (kind.lastgroup if kind and kind.lastgroup else "other", value.strip(" *_\t"))


def read_divider(line: str) -> str:
    """Return the words between dashes, as in "----- Forwarded message -----"; else ""."""
    line = line.strip("> \t") if len(line) < _LONG_LINE else ""
    ends = line[:3] + line[-3:]
    return line.strip(f"{MARKS} ")[:100] if ends and not ends.strip(MARKS) else ""


def collect_headers(
    lines: Sequence[str], headers: Sequence[Header | None], place: int
) -> list[Header]:
    """Return the headers that begin at a line, or after blank lines; each may follow a blank one.

    Lists of addresses may continue on further lines.
    """
    found, blanks = list[Header](), 0
    for at in range(place, min(place + _LONGEST, len(lines))):
        text, header = lines[at].strip("> \t"), headers[at]
        if not text:
            if len(found) > 1 and not blanks:
                break
            blanks += bool(found)
        elif header and (found or header[1]):
            found.append(header)
        elif header:
            continue  # an introduction, such as "Begin forwarded message:"
        elif found and (found[-1][1].endswith((",", ";")) or lines[at][:1] in " \t"):
            found[-1] = (found[-1][0], f"{found[-1][1]} {text}")
        else:
            break
    return found


def has_known_names(found: Sequence[Header]) -> bool:
    kinds = [kind for kind, _ in found]
    return kinds[0] == "first" and {"when", "subject"}.issubset(kinds)
