"""What people press and fill in: it closes the one wait it names, or they are told why not.

Who presses is known by Slack's signature, and counts only if they are of this workspace. What
was pressed is recorded first; whatever is said about it comes after Slack has its answer.
"""

from dataclasses import asdict
from typing import Any

from slack_bolt.context.ack.async_ack import AsyncAck

from ..log.errors import AgentError, Refused, ThreadNotFound
from ..log.events import CallJson, Event
from ..loop.api import expire, resume
from ..loop.verdicts import check, open_wait
from ..people.routing import closing_of
from ..runners.app import App
from .blocks import decision
from .channel import close
from .client import Slack
from .errands import Errands
from .forms import MAX_PROBLEM, TEXT, edited, form, typed
from .presses import Press
from .text import escaped, label


class Answers:
    def __init__(self, app: App, slack: Slack, errands: Errands) -> None:
        self._app = app
        self._slack = slack
        self._errands = errands

    async def pressed(self, ack: AsyncAck, body: dict[str, Any], action: dict[str, Any]) -> None:
        """Record the answer that a button or a list gives."""
        if await self._from_here(body):
            press = Press.of(body, action)
            try:
                await self._errands.in_time(self._chosen(press))
                self._errands.run(self._refresh(press))
            except (Refused, ThreadNotFound) as why:
                self._errands.run(self._explain(press, why))
        await ack()

    async def opened(self, ack: AsyncAck, body: dict[str, Any], action: dict[str, Any]) -> None:
        """Open the form that a button asks for."""
        if await self._from_here(body):
            self._errands.run(self._open(Press.of(body, action), body["trigger_id"]))
        await ack()

    async def submitted(self, ack: AsyncAck, body: dict[str, Any], view: dict[str, Any]) -> None:
        """Record what was filled in; what is wrong with it is shown in the form."""
        problems: dict[str, str] = {}
        if await self._from_here(body):
            press, values = Press.submitted(body, view), view["state"]["values"]
            try:
                problems = await self._errands.in_time(self._filled_in(press, values))
                self._errands.run(self._refresh(press))
            except (Refused, ThreadNotFound) as why:
                self._errands.run(self._refresh(press) if values else self._explain(press, why))
                problems = {field: label(str(why), MAX_PROBLEM) for field in [*values][:1]}
        await (ack(response_action="errors", errors=problems) if problems else ack())

    async def _from_here(self, body: dict[str, Any]) -> bool:
        """Say whether somebody of this workspace did it: others may share a channel with it."""
        teams = {(body.get("team") or {}).get("id"), body["user"].get("team_id")}
        return teams == {(await self._slack.me()).team}

    async def _chosen(self, press: Press) -> None:
        text = press.text
        if press.choice is not None:
            thread = await self._app.ports.store.load(press.thread)
            text = thread.event(press.wait).data["options"]["choices"][press.choice]
        await self._answer(press, text)

    async def _filled_in(self, press: Press, values: dict[str, Any]) -> dict[str, str]:
        call, problems = None, dict[str, str]()
        if press.verdict == "edit":
            thread = await self._app.ports.store.load(press.thread)
            call, problems = edited(thread.event(press.wait).data["call"], values)
        if not problems:
            await self._answer(press, typed(values, TEXT) or "", call)
        return problems

    async def _answer(self, press: Press, text: str, call: CallJson | None = None) -> None:
        named = (self._app.ports, press.thread, press.wait, press.verdict)
        shown = press.digest
        thread = await resume(*named, actor=press.actor, text=text, digest=shown, call=call)
        self._app.runner.wake(thread.id)

    async def _open(self, press: Press, trigger_id: str) -> None:
        ports = self._app.ports
        try:
            thread = await expire(ports, await ports.store.load(press.thread))
            check(open_wait(thread, press.wait), press.verdict, press.actor, press.digest)
        except (Refused, ThreadNotFound) as why:
            return await self._explain(press, why)
        view = form(thread.event(press.wait), press.verdict, asdict(press))
        await self._slack.call("views.open", trigger_id=trigger_id, view=view)

    async def _explain(self, press: Press, why: AgentError) -> None:
        """Tell who pressed, and nobody else, why nothing came of it."""
        reason = escaped(str(why))
        if closed := await self._refresh(press):
            reason = f"somebody was faster, or it is too late. {decision(*closed)}"
        await self._slack.call(
            "chat.postEphemeral",
            channel=press.shown.channel,
            user=press.user,
            text=f"That changed nothing: {reason}",
            **({"thread_ts": press.below} if press.below else {}),
        )

    async def _refresh(self, press: Press) -> tuple[Event, Event] | None:
        """Show what closed the wait, if it is closed; return both.

        The channel does so, too, but not where somebody was faster than its receipt.
        """
        try:
            thread = await self._app.ports.store.load(press.thread)
        except ThreadNotFound:
            return None
        if over := closing_of(thread, press.wait):
            wait = thread.event(press.wait)
            await close(self._slack, press.shown, thread.id, wait, over)
            return wait, over
        return None
