"""Who may write to the agent, and which mails no person wrote."""

from dataclasses import dataclass
from typing import Self

from ..log.errors import Misconfigured
from ..people.identity import resolve_person
from ..settings import optional, required
from .authentication import is_vouched_for
from .head import Head, read_headers
from .stamp import ADDRESS, Stamp

_AUTHSERV = (
    "It is the first word of Authentication-Results in any mail that your server received, such "
    "as mx.example.org; 'none' trusts every From header, which anybody can forge."
)
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

    def find_entry(self, sender: str) -> str:
        """Return what lets an address write: a name of `people.toml`, or the address or domain in
        `EMAIL_ALLOWED`; "" if nothing does."""
        person = resolve_person("email", sender)
        entries = (sender, f"@{sender.partition('@')[2]}")
        allowed = next((entry for entry in entries if entry in self.allowed), "")
        return allowed if person == f"email:{sender}" else person

    def find_refusal(self, head: Head) -> str:
        """Return why the sender may not write; "" if they may."""
        sender, domain = head.sender, head.sender.partition("@")[2]
        if not self.find_entry(sender):
            return f"{sender} may not write to this agent (see EMAIL_ALLOWED)"
        if self.authserv_id and not is_vouched_for(self.authserv_id, domain, head):
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
