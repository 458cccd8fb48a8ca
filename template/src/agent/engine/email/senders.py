"""Who may write to the agent, and when to believe that it was them.

From alone proves nothing. The server that took the mail in checked more and wrote what it found
into Authentication-Results (RFC 8601); `EMAIL_AUTHSERV_ID` is the name under which it does so.
"""

import re
from dataclasses import dataclass
from typing import Self

from ..log.errors import Misconfigured
from ..people.identity import name_of
from ..settings import optional, required
from .mail import Head, values
from .stamp import ADDRESS, Stamp

_AUTHSERV = (
    "It is the first word of Authentication-Results in any mail that arrived there, such as "
    "mx.example.org; 'none' believes every From, which anybody can forge."
)
_PROPERTY = re.compile(r"(?<![a-z.-])([a-z.-]+)\s*=\s*(\S+)", re.IGNORECASE)
_DAEMONS = ("mailer-daemon", "postmaster")
_ROBOTS = ("List-Id", "X-Autoreply", "X-Autorespond", "X-Autoresponder", "X-Loop")


@dataclass(frozen=True)
class Senders:
    allowed: frozenset[str]
    """Addresses, and domains as `@example.org`, beside those in `people.toml`."""
    authserv_id: str
    """Whose Authentication-Results count; "" where From is believed as it is."""

    @classmethod
    def from_env(cls) -> Self:
        """Raises Misconfigured where an entry is neither an address nor `@domain`."""
        entries = [one.strip().lower() for one in optional("EMAIL_ALLOWED").split(",")]
        for one in filter(None, entries):
            if not ADDRESS.fullmatch(f"x{one}" if one.startswith("@") else one):
                raise Misconfigured(f"EMAIL_ALLOWED: {one!r} is neither an address nor @domain")
        trusted = required("EMAIL_AUTHSERV_ID", _AUTHSERV).lower()
        return cls(frozenset(filter(None, entries)), "" if trusted == "none" else trusted)

    def refusal(self, head: Head) -> str:
        """Return why a mail is not let in; "" where it is."""
        sender, domain = head.sender, head.sender.partition("@")[2]
        known = name_of("email", sender) != f"email:{sender}"
        if not known and not self.allowed.intersection((sender, f"@{domain}")):
            return f"{sender} may not write here; see EMAIL_ALLOWED"
        if self.authserv_id and not _vouched(self.authserv_id, domain, head):
            return f"{self.authserv_id} does not vouch that it comes from {domain}"
        return ""


def robot(head: Head, stamp: Stamp) -> str:
    """Return why nobody wrote a mail; "" where a person may have."""
    fields = {name: (values(head.fields, name) or [""])[0].lower() for name in _SIGNS}
    local = head.sender.partition("@")[0]
    if head.sender == stamp.address or stamp.thread_of(head.id):
        return "it is from this agent itself"
    if fields["Return-Path"] == "<>" or local in _DAEMONS:
        return "it is a bounce"
    if fields["Content-Type"].startswith("multipart/report"):
        return "it is a report of a mail server"
    if fields["Auto-Submitted"] not in ("", "no"):
        return "it is an automatic reply"
    if fields["Precedence"] in ("bulk", "junk", "list", "auto_reply"):
        return f"its precedence is {fields['Precedence']}"
    return next((f"it has {name}" for name in _ROBOTS if values(head.fields, name)), "")


_SIGNS = ("Return-Path", "Content-Type", "Auto-Submitted", "Precedence")


def _vouched(authserv_id: str, domain: str, head: Head) -> bool:
    """Say whether the trusted server found that the mail comes from `domain`.

    Only its topmost header counts: what stands below may have come with the mail.
    """
    for value in values(head.fields, "Authentication-Results"):
        who, *results = _quiet(value).split(";")
        if who.split()[:1] == [authserv_id]:
            return _passes([result.strip() for result in results], domain)
    return False


def _passes(results: list[str], domain: str) -> bool:
    found = [dict(_PROPERTY.findall(result.lower())) for result in results]
    if any("dmarc" in one for one in found):
        # One that failed counts, whatever a sender got written beside it.
        return all(
            one["dmarc"] == "pass" and one.get("header.from", domain) == domain
            for one in found
            if "dmarc" in one
        )
    return any(_aligned(one, domain) for one in found)


def _aligned(result: dict[str, str], domain: str) -> bool:
    """Say whether DKIM or SPF passed for exactly this domain, as DMARC would ask."""
    signed = result.get("header.d") or result.get("header.i", "").rpartition("@")[2]
    envelope = result.get("smtp.mailfrom", "").rpartition("@")[2]
    return (result.get("dkim") == "pass" and signed == domain) or (
        result.get("spf") == "pass" and envelope == domain
    )


def _quiet(value: str) -> str:
    """Take out quoted strings and comments, into which senders may get words of theirs; "" where
    one is not closed. In one pass: a pattern would take quadratic time."""
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
