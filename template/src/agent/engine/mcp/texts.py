"""Texts of a server in Python source: somebody else's words, which must not become code.

What nobody sees is dropped, all space is one space, and the length is bounded. Letters that look
like others are written as escapes, so that a file shows what it says.
"""

import json
import re
import textwrap

from ..characters import is_unseen

_PLAIN = str.maketrans(
    {
        "\u2018": "'", "\u2019": "'", "\u201c": "'", "\u201d": "'", '"': "'", "\u2032": "'",
        "\u2010": "-", "\u2011": "-", "\u2012": "-", "\u2013": "-", "\u2014": "-", "\u2212": "-",
        "\u2026": "...", "\u2022": "*", "\u00b7": "*", "\u00d7": "x",
    }
    | {chr(code): chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F)}
)  # fmt: skip
_KEPT = re.compile(
    "[\x20-\x7e\u00c0-\u0130\u0132-\u0137\u0139-\u017e\u3041-\u309f\u30a1-\u30f6\uac00-\ud7a3]"
)
_HAN = re.compile("[\u4e00-\u9fff]")
_CONFUSED = frozenset("\u4e36\u4e3f\u4e28\u4e00\u4e59")
_CUT = " [cut]"


def tidy(text: object, most: int) -> str:
    """Return a text on one line, at most so many characters, without what nobody sees."""
    seen = "".join(char for char in str(text or "") if char.isspace() or not is_unseen(char))
    plain = " ".join(seen.translate(_PLAIN).split())
    return plain if len(plain) <= most else plain[: most - len(_CUT)].rstrip() + _CUT


def write_docstring(text: str, indent: str) -> str:
    """Return a text that was made tidy as a docstring, wrapped."""
    escaped = "".join(map(_escape, text))
    if len(one := f'{indent}"""{escaped}"""') <= 100:
        return one
    wrap = textwrap.TextWrapper(width=96 - len(indent), break_long_words=False)
    wrap.break_on_hyphens = False
    first, *others = wrap.wrap(f'"""{escaped}')
    return "\n".join(f"{indent}{line}" for line in (first, *others, '"""'))


def write_string(text: str) -> str:
    """Return any text as a string literal in ASCII, with the quotes that `ruff format` chooses."""
    literal = json.dumps(text).replace("\x7f", "\\x7f")
    if text.count('"') > text.count("'"):
        inner = literal[1:-1].replace('\\"', '"').replace("'", "\\'")
        literal = f"'{inner}'"
    return re.sub(r"\\ud[89ab]\w\w\\ud[c-f]\w\w", _join, literal)


def _join(pair: re.Match[str]) -> str:
    char = json.loads(f'"{pair[0]}"')
    return f"\\U{ord(char):08x}"


def _escape(char: str) -> str:
    if char == "\\":
        return "\\\\"
    if _KEPT.match(char) or (_HAN.match(char) and char not in _CONFUSED):
        return char
    code = ord(char)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
