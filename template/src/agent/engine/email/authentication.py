"""Whether a mail really comes from the domain in its From header, which alone proves nothing.

The server that received the mail checked more, and noted its results in Authentication-Results
(RFC 8601), under the name that `EMAIL_AUTHSERV_ID` holds.
"""

import re

from .head import Head, read_headers

_PROPERTY = re.compile(r"(?<![a-z.-])([a-z.-]+)\s*=\s*(\S+)", re.IGNORECASE)


def is_vouched_for(authserv_id: str, domain: str, head: Head) -> bool:
    """Say whether the trusted server confirmed that the mail comes from `domain`.

    Only its topmost header counts: the ones below may have come with the mail.
    """
    for value in read_headers(head.fields, "Authentication-Results"):
        who, *results = _remove_comments(value).split(";")
        if who.split()[:1] == [authserv_id]:
            return _passes_checks([result.strip() for result in results], domain)
    return False


def _passes_checks(results: list[str], domain: str) -> bool:
    found = [dict(_PROPERTY.findall(result.lower())) for result in results]
    if any("dmarc" in one for one in found):
        # One failure is enough, whatever else the sender got the server to write.
        return all(
            one["dmarc"] == "pass" and one.get("header.from", domain) == domain
            for one in found
            if "dmarc" in one
        )
    return any(_is_aligned(one, domain) for one in found)


def _is_aligned(result: dict[str, str], domain: str) -> bool:
    """Say whether DKIM or SPF passed for exactly this domain, as DMARC requires."""
    signed = result.get("header.d") or result.get("header.i", "").rpartition("@")[2]
    envelope = result.get("smtp.mailfrom", "").rpartition("@")[2]
    return (result.get("dkim") == "pass" and signed == domain) or (
        result.get("spf") == "pass" and envelope == domain
    )


def _remove_comments(value: str) -> str:
    """Remove quoted strings and comments, which may hold the sender's own words.

    Returns "" if one is not closed. Done in one pass, as a pattern would take quadratic time."""
    kept, depth, quoted, signs = list[str](), 0, False, iter(value.lower())
    for sign in signs:
        if sign == "\\" and (quoted or depth):
            next(signs, None)
        elif quoted or (sign == '"' and not depth):
            quoted ^= sign == '"'
            kept.append(" ")
        elif sign in "()":
            depth += 1 if sign == "(" else -1
            kept.append(" ")
            if depth < 0:
                return ""
        elif not depth:
            kept.append(sign)
    return "" if quoted or depth else "".join(kept)
