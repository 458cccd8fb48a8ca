"""What somebody in Slack pressed or submitted, as the payload has it."""

from dataclasses import dataclass
from typing import Any, Self

from ..log.events import CallJson
from ..people.identity import resolve_person
from .payloads import Action, Interaction, Malformed, Pressed, View, read, read_carried
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
    def from_action(cls, body: dict[str, Any], given: dict[str, Any]) -> Self:
        """Read a `block_actions` payload. Raises Malformed."""
        action, place = read(Action, given), read(Pressed, body)
        value = action.value or (action.selected_option and action.selected_option.value)
        shown = {"channel": place.channel.id, "ts": place.message.ts}
        below = place.message.thread_ts or ""
        return cls._read(value or "", body, {"shown": shown, "below": below})

    @classmethod
    def from_form(cls, body: dict[str, Any], view: View) -> Self:
        """Read a `view_submission` payload, which carries the press that opened the form.

        Raises Malformed.
        """
        return cls._read(view.private_metadata, body, {})

    @classmethod
    def _read(cls, carried: str, body: dict[str, Any], where: dict[str, Any]) -> Self:
        who = {"user": read(Interaction, body).user.id}
        press = read(cls, read_carried(carried) | where | who)
        if press.wait < 1:
            raise Malformed(f"{press.wait} is not a wait")
        return press
