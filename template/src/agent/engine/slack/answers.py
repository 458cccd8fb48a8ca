"""A button that somebody pressed, or a form they filled in, closes the one wait that it names.

Slack's signature says who it was, and only people of this workspace count. The answer is recorded
first. If it is refused, the person sees the reason after Slack has its acknowledgement.
"""

import json
from dataclasses import asdict, dataclass
from typing import Any, Self

from slack_bolt.context.ack.async_ack import AsyncAck

from ..log.errors import AgentError, Refused, ThreadNotFound
from ..log.events import CallJson, Event
from ..loop.api import expire, resume
from ..loop.verdicts import check_answer, find_open_wait
from ..people.identity import resolve_person
from ..people.routing import find_closing
from ..runners.app import App
from .background import Background
from .blocks import describe_decision
from .channel import close_wait
from .client import Slack
from .forms import MAX_PROBLEM, TEXT, build_form, read_call, read_field
from .posts import Place
from .text import escape, shorten


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
    text: str = ""
    choice: int | None = None

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


class Answers:
    def __init__(self, app: App, slack: Slack, background: Background) -> None:
        self._app = app
        self._slack = slack
        self._background = background

    async def on_press(self, ack: AsyncAck, body: dict[str, Any], action: dict[str, Any]) -> None:
        """Record the answer that a button or a list gives."""
        if await self._is_from_here(body):
            press = Press.from_action(body, action)
            try:
                await self._background.wait_in_time(self._record_press(press))
                self._background.start(self._refresh(press))
            except (Refused, ThreadNotFound) as why:
                self._background.start(self._explain(press, why))
        await ack()

    async def on_open(self, ack: AsyncAck, body: dict[str, Any], action: dict[str, Any]) -> None:
        """Open the form that a button asks for."""
        if await self._is_from_here(body):
            press = Press.from_action(body, action)
            self._background.start(self._open_form(press, body["trigger_id"]))
        await ack()

    async def on_submit(self, ack: AsyncAck, body: dict[str, Any], view: dict[str, Any]) -> None:
        """Record what was filled in, or show in the form what is wrong with it."""
        problems: dict[str, str] = {}
        if await self._is_from_here(body):
            press, values = Press.from_form(body, view), view["state"]["values"]
            try:
                problems = await self._background.wait_in_time(self._record_form(press, values))
                self._background.start(self._refresh(press))
            except (Refused, ThreadNotFound) as why:
                self._background.start(
                    self._refresh(press) if values else self._explain(press, why)
                )
                problems = {field: shorten(str(why), MAX_PROBLEM) for field in [*values][:1]}
        await (ack(response_action="errors", errors=problems) if problems else ack())

    async def _is_from_here(self, body: dict[str, Any]) -> bool:
        """Say whether it was somebody of this workspace: others may share a channel with it."""
        teams = {(body.get("team") or {}).get("id"), body["user"].get("team_id")}
        return teams == {(await self._slack.get_bot()).team}

    async def _record_press(self, press: Press) -> None:
        text = press.text
        if press.choice is not None:
            thread = await self._app.ports.store.load(press.thread)
            text = thread.event(press.wait).data["options"]["choices"][press.choice]
        await self._record(press, text)

    async def _record_form(self, press: Press, values: dict[str, Any]) -> dict[str, str]:
        call, problems = None, dict[str, str]()
        if press.verdict == "edit":
            thread = await self._app.ports.store.load(press.thread)
            call, problems = read_call(thread.event(press.wait).data["call"], values)
        if not problems:
            await self._record(press, read_field(values, TEXT) or "", call)
        return problems

    async def _record(self, press: Press, text: str, call: CallJson | None = None) -> None:
        answer = (self._app.ports, press.thread, press.wait, press.verdict)
        shown = press.digest
        thread = await resume(*answer, actor=press.actor, text=text, digest=shown, call=call)
        self._app.runner.wake(thread.id)

    async def _open_form(self, press: Press, trigger_id: str) -> None:
        ports = self._app.ports
        try:
            thread = await expire(ports, await ports.store.load(press.thread))
            check_answer(
                find_open_wait(thread, press.wait), press.verdict, press.actor, press.digest
            )
        except (Refused, ThreadNotFound) as why:
            return await self._explain(press, why)
        view = build_form(thread.event(press.wait), press.verdict, asdict(press))
        await self._slack.call("views.open", trigger_id=trigger_id, view=view)

    async def _explain(self, press: Press, why: AgentError) -> None:
        """Tell whoever pressed the button, and nobody else, why it changed nothing."""
        reason = escape(str(why))
        if closed := await self._refresh(press):
            reason = f"somebody was faster, or it is too late. {describe_decision(*closed)}"
        await self._slack.call(
            "chat.postEphemeral",
            channel=press.shown.channel,
            user=press.user,
            text=f"Nothing changed: {reason}",
            **({"thread_ts": press.below} if press.below else {}),
        )

    async def _refresh(self, press: Press) -> tuple[Event, Event] | None:
        """Update the message if its wait is closed, and return the wait and what closed it.

        The channel does the same, except where somebody answers before its receipt is recorded.
        """
        try:
            thread = await self._app.ports.store.load(press.thread)
        except ThreadNotFound:
            return None
        if over := find_closing(thread, press.wait):
            wait = thread.event(press.wait)
            await close_wait(self._slack, press.shown, thread.id, wait, over)
            return wait, over
        return None
