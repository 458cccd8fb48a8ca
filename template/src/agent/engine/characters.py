"""Characters that nobody sees, or that change how the text around them reads.

There is one table, for what people read and for what a model reads.
"""

import json
import re
import unicodedata
from typing import Any

_BLANK = re.compile(
    # Unicode's property Default_Ignorable_Code_Point (DerivedCoreProperties.txt), in full.
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e"
    "\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3"
    "\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
    # An empty braille cell, a note without a head, and what stands for an object.
    "\u2800\U0001d159\ufffc]"
)
_RARE = re.compile(r"[^\n\x20-\x7e]")
_SYMBOLS, _LETTERS = ("So", "Sm", "Sk"), ("Lo", "Mn", "Mc")


def is_unseen(char: str) -> bool:
    """Say whether a character is invisible, looks like a space, or changes a direction."""
    return not (char.isprintable() and not _BLANK.match(char))


def clean(text: str) -> str:
    r"""Make every unseen character of a text visible, as `\u200b`.

    Lines stay, and so do the joiners inside an emoji or a word of a script that needs them. Every
    other kind of space becomes a plain one.
    """
    text = text.replace("\r\n", "\n").replace("\t", "    ")
    return text if text.isascii() and text.isprintable() else _RARE.sub(_spell, text)


def quote(value: Any) -> str:
    """Return a value as JSON on one line, in which every character can be seen.

    `json.loads` reads exactly the value back.
    """
    text = json.dumps(value, ensure_ascii=False)
    return text if text.isascii() and text.isprintable() else _RARE.sub(_escape, text)


def _spell(found: re.Match[str]) -> str:
    char = found[0]
    if not is_unseen(char) or _belongs(found.string, found.start()):
        return char
    if unicodedata.category(char) == "Zs":
        return " "
    return char.encode("unicode_escape").decode()


def _escape(found: re.Match[str]) -> str:
    return json.dumps(found[0])[1:-1] if is_unseen(found[0]) else found[0]


def _belongs(text: str, place: int) -> bool:
    """Say whether an unseen character is part of an emoji or of a word, as those are written."""
    char, last = text[place], text[place - 1 : place] or " "
    before, after = map(unicodedata.category, (last, text[place + 1 : place + 2] or " "))
    if char == "\ufe0f":
        return before in _SYMBOLS and not last.isascii()
    if char == "\u200d" and after in _SYMBOLS:
        return before in _SYMBOLS or last == "\ufe0f"
    return char in "\u200c\u200d" and before in _LETTERS and after in _LETTERS
