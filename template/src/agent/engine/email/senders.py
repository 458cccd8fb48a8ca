"""Who may write to the agent, and whether a mail really comes from them.

The From header alone proves nothing. The server that received the mail checked more, and noted its
results in Authentication-Results (RFC 8601), under the name that `EMAIL_AUTHSERV_ID` holds.
"""

import re
from dataclasses import dataclass
from typing import Self

from ..log.errors import Misconfigured
from ..people.identity import resolve_person
from ..settings import optional, required
from .mail import Head, read_headers
from .stamp import ADDRESS, Stamp

_AUTHSERV = (
    "It is the first word of Authentication-Results in any mail that your server received, such "
    "as mx.example.org; 'none' trusts every From header, which anybody can forge."
)
_PROPERTY = re.compile(r"(?<![a-z.-])([a-z.-]+)\s*=\s*(\S+)", re.IGNORECASE)
_SIGNS = ("Return-Path", "Content-Type", "Auto-Submitted", "Precedence")
_DAEMONS = ("mailer-daemon", "postmaster")
_ROBOTS = ("List-Id", "X-Autoreply", "X-Autorespond", "X-Autoresponder", "X-Loop")


@dataclass(frozen=True)
class Senders:
    allowed: frozenset[str]
    """Addresses, and domains as `@example.org`, in addition to those in `people.toml`."""
    authserv_id: str
    """Whose Authentication-Results count; "" if every From header is trusted."""

    @classmethod
    def from_env(cls) -> Self:
        """Raises Misconfigured if an entry is neither an address nor `@domain`."""
        entries = [one.strip().lower() for one in optional("EMAIL_ALLOWED").split(",")]
        for one in filter(None, entries):
            if not ADDRESS.fullmatch(f"x{one}" if one.startswith("@") else one):
                raise Misconfigured(f"EMAIL_ALLOWED: {one!r} is neither an address nor @domain")
        trusted = required("EMAIL_AUTHSERV_ID", _AUTHSERV).lower()
        return cls(frozenset(filter(None, entries)), "" if trusted == "none" else trusted)

    def find_refusal(self, head: Head) -> str:
        """Return why the sender may not write; "" if they may."""
        sender, domain = head.sender, head.sender.partition("@")[2]
        known = resolve_person("email", sender) != f"email:{sender}"
        if not known and not self.allowed.intersection((sender, f"@{domain}")):
            return f"{sender} may not write to this agent (see EMAIL_ALLOWED)"
        if self.authserv_id and not _is_vouched_for(self.authserv_id, domain, head):
            return f"{self.authserv_id} does not confirm that it comes from {domain}"
        return ""


def detect_robot(head: Head, stamp: Stamp) -> str:
    """Return what shows that no person wrote a mail; "" if nothing does."""
    fields = {name: (read_headers(head.fields, name) or [""])[0].lower() for name in _SIGNS}
    local = head.sender.partition("@")[0]
    if head.sender == stamp.address or stamp.read_thread_id(head.id):
        return "it is from this agent itself"
    if fields["Return-Path"] == "<>" or local in _DAEMONS:
        return "it is a bounce"
    if fields["Content-Type"].startswith("multipart/report"):
        return "it is a report from a mail server"
    if fields["Auto-Submitted"] not in ("", "no"):
        return "it is an automatic reply"
    if fields["Precedence"] in ("bulk", "junk", "list", "auto_reply"):
        return f"its precedence is {fields['Precedence']}"
    headers = (name for name in _ROBOTS if read_headers(head.fields, name))
    return next((f"it has the header {name}" for name in headers), "")


def _is_vouched_for(authserv_id: str, domain: str, head: Head) -> bool:
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
