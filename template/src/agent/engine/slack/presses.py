"""What a button says, who pressed it, and where its message is."""

import json
from dataclasses import dataclass
from typing import Any, Self

from ..people.identity import name_of
from .posts import Place


@dataclass(frozen=True)
class Press:
    thread: str
    wait: int
    verdict: str
    user: str
    """As Slack knows them; never read from what a button or a form carries."""
    shown: Place
    below: str = ""
    """The Slack thread that the message is in."""
    digest: str = ""
    text: str = ""
    choice: int | None = None

    @property
    def actor(self) -> str:
        return name_of("slack", self.user)

    @classmethod
    def of(cls, body: dict[str, Any], action: dict[str, Any]) -> Self:
        """Read a `block_actions` payload."""
        says = json.loads(action.get("value") or action["selected_option"]["value"])
        shown = Place(body["channel"]["id"], body["message"]["ts"])
        below = body["message"].get("thread_ts", "")
        return cls(**says, user=body["user"]["id"], shown=shown, below=below)

    @classmethod
    def submitted(cls, body: dict[str, Any], view: dict[str, Any]) -> Self:
        """Read a `view_submission` payload: the press that opened the form comes back with it."""
        origin = json.loads(view["private_metadata"])
        shown = Place(**origin.pop("shown"))
        return cls(**origin | {"user": body["user"]["id"]}, shown=shown)
