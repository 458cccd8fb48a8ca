"""Converts the HTML of a mail to text, in linear time: `html.parser` takes quadratic time for
hostile mails.
"""

import re
from html import unescape

_BLOCKS = frozenset("address article blockquote br div dl dt footer h1 h2 h3 h4 h5 h6 header hr li "
                    "ol p pre section table tr ul".split())  # fmt: skip
_HIDDEN = ("script", "style", "title")
_ENDS = {name: re.compile(f"</{name}", re.IGNORECASE) for name in _HIDDEN}
_HREF = re.compile(r"""\bhref\s{0,5}=\s{0,5}["']?(https?://[^\s"'<>]{1,2000})""", re.IGNORECASE)


def convert_html(html: str) -> str:
    """Return the text of HTML, in linear time; lines of a quote start with ">"."""
    out: list[str] = []
    depth, place = 0, 0
    while (start := html.find("<", place)) >= 0:
        out.append(unescape(html[place:start]).replace("\n", " "))
        place, tag = _read_tag(html, start)
        name = tag.strip("/").split(" ", 1)[0].lower()
        if name == "blockquote":
            depth = max(0, depth - 1) if tag.startswith("/") else depth + 1
        if name in _BLOCKS:
            out.append("\n" + ">" * min(depth, 5))
        if link := _HREF.search(tag) if name == "a" else None:
            out.append(f"<{unescape(link[1])}> ")
        if name in _HIDDEN and not tag.startswith("/"):
            place = end.start() if (end := _ENDS[name].search(html, place)) else len(html)
    out.append(unescape(html[place:]))
    return re.sub(r"\n{3,}", "\n\n", "\n".join(_tidy_lines("".join(out)))).strip()


def _read_tag(html: str, start: int) -> tuple[int, str]:
    """Return where the tag that starts at `start` ends, and what is in it."""
    comment = html.startswith("<!--", start)
    end = html.find("-->" if comment else ">", start + 1)
    if end < 0:
        return len(html), ""
    inside = html[start + 1 : min(end, start + 4_000)]
    return (end + 3, "") if comment else (end + 1, " ".join(inside.split()))


def _tidy_lines(text: str) -> list[str]:
    return [" ".join(line.split()) for line in text.split("\n")]
