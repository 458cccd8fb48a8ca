"""What somebody in Slack pressed or submitted, as the payload has it."""

import json
from dataclasses import dataclass
from typing import Any, Self

from ..log.events import CallJson
from ..people.identity import resolve_person
from .posts import Place


@dataclass(frozen=True)
class Press:
    """What a button carries, who pressed it, and where its message is."""

    thread: str
    wait: int
    verdict: str
    user: str
    """As Slack authenticated them; never read from what a button or a form carries."""
    shown: Place
    below: str = ""
    """The Slack thread that the message is in."""
    digest: str = ""
    """Of the call that was shown: that of the message, or the edited one."""
    text: str = ""
    choice: int | None = None
    standing: bool = False
    call: CallJson | None = None
    """The edited call, once it was shown in its final form."""

    @property
    def actor(self) -> str:
        return resolve_person("slack", self.user)

    @classmethod
    def from_action(cls, body: dict[str, Any], action: dict[str, Any]) -> Self:
        """Read a `block_actions` payload."""
        value = json.loads(action.get("value") or action["selected_option"]["value"])
        shown = Place(body["channel"]["id"], body["message"]["ts"])
        below = body["message"].get("thread_ts", "")
        return cls(**value, user=body["user"]["id"], shown=shown, below=below)

    @classmethod
    def from_form(cls, body: dict[str, Any], view: dict[str, Any]) -> Self:
        """Read a `view_submission` payload, which carries the press that opened the form."""
        origin = json.loads(view["private_metadata"])
        shown = Place(**origin.pop("shown"))
        return cls(**origin | {"user": body["user"]["id"]}, shown=shown)
