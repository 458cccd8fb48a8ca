"""Characters that a terminal or a page would obey instead of showing them."""

import re

_UNPRINTABLE = re.compile(r"[^\n\u200c\u200d]")


def clean(text: str) -> str:
    r"""Spell out escape sequences, control and bidi characters: `\x1b`; keep lines and joiners."""
    text = text.replace("\r\n", "\n").replace("\t", "    ")
    return text if text.isprintable() else _UNPRINTABLE.sub(_spell, text)


def _spell(found: re.Match[str]) -> str:
    char = found[0]
    if char.isprintable():
        return char
    return " " if char.isspace() and char > "\x9f" else char.encode("unicode_escape").decode()
