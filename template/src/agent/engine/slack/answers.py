"""A button that somebody pressed, or a form they filled in, closes the one wait that it names.

Slack's signature says who it was, and only people of this workspace count. The answer is recorded
first. If it is refused, the person sees the reason after Slack has its acknowledgement.
"""

from dataclasses import asdict
from typing import Any

from slack_bolt.context.ack.async_ack import AsyncAck

from ..log.errors import AgentError, Refused, ThreadNotFound
from ..log.events import Event
from ..loop.api import preview_edit, resume
from ..loop.clock import keep_time
from ..loop.verdicts import check_answer, find_open_wait
from ..people.history import find_closing
from ..runners.app import App
from .background import Background
from .blocks import describe_decision
from .calls import describe_length
from .channel import close_wait
from .client import Slack
from .forms import (
    TEXT,
    VERDICTS,
    build_form,
    build_notice,
    build_preview,
    place_problem,
    read_call,
)
from .links import link_page
from .payloads import Interaction, Malformed, View, read
from .press import Press
from .text import escape


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
            if press.verdict not in VERDICTS:
                raise Malformed(f"there is no form for {press.verdict!r}")
            trigger_id = read(Interaction, body).trigger_id
            self._background.start(self._open_form(press, trigger_id))
        await ack()

    async def on_submit(self, ack: AsyncAck, body: dict[str, Any], view: dict[str, Any]) -> None:
        """Record what was filled in, or show what is wrong with it. An edit is only shown."""
        answer: dict[str, Any] = {}
        if await self._is_from_here(body):
            form = read(View, view)
            press, values = Press.from_form(body, form), form.values
            edits = press.verdict == "edit"
            work = self._preview(press, values) if edits else self._record_form(press, values)
            answer = await self._background.wait_in_time(work)
        await ack(**answer)

    async def on_confirm(self, ack: AsyncAck, body: dict[str, Any], view: dict[str, Any]) -> None:
        """Record an edit whose final form was shown; say so if it came too late."""
        answer: dict[str, Any] = {}
        if await self._is_from_here(body):
            press = Press.from_form(body, read(View, view))
            answer = await self._background.wait_in_time(self._confirm(press))
        await ack(**answer)

    async def _is_from_here(self, body: dict[str, Any]) -> bool:
        """Say whether it was somebody of this workspace: others may share a channel with it."""
        done = read(Interaction, body)
        teams = {done.team and done.team.id, done.user.team_id}
        return teams == {(await self._slack.get_bot()).team}

    async def _record_press(self, press: Press) -> None:
        text = press.text
        if press.choice is not None:
            thread = await self._app.ports.store.load(press.thread)
            options = find_open_wait(thread, press.wait).data.get("options") or {}
            choices = options.get("choices") or []
            if not 0 <= press.choice < len(choices):
                raise Refused("this is not one of the choices")
            text = choices[press.choice]
        await self._record(press, text)

    async def _record_form(self, press: Press, values: dict[str, str]) -> dict[str, Any]:
        try:
            await self._record(press, values.get(TEXT, ""))
        except (Refused, ThreadNotFound) as why:
            self._background.start(self._refresh(press))
            return _show_errors(place_problem(str(why), {}, values))
        self._background.start(self._refresh(press))
        return {}

    async def _preview(self, press: Press, values: dict[str, str]) -> dict[str, Any]:
        """Return the view that shows an edited call in its final form, or what is wrong with it."""
        ports, origin, before = self._app.ports, asdict(press), dict[str, Any]()
        try:
            thread = await ports.store.load(press.thread)
            wait = thread.event(find_open_wait(thread, press.wait).seq)
            before = wait.data.get("call") or {}
            call, problems = read_call(before, values)
            if problems:
                return _show_errors(problems)
            where = (press.thread, press.wait)
            preview = await preview_edit(ports, *where, call, actor=press.actor)
        except (Refused, ThreadNotFound) as why:
            self._background.start(self._refresh(press))
            return _show_errors(place_problem(str(why), before, values))
        view = build_preview(wait, preview, origin)
        if view is None:
            todo = link_page(*where, "to edit it there, or shorten it here")
            note = f"*Nothing is recorded yet.* {describe_length(preview.call)} {todo}"
            view = build_form(wait, press.verdict, origin, note, values)
        return {"response_action": "update", "view": view}

    async def _confirm(self, press: Press) -> dict[str, Any]:
        try:
            await self._record(press, "")
        except (Refused, ThreadNotFound) as why:
            self._background.start(self._refresh(press))
            view = build_notice(f"Nothing changed: {await self._describe_refusal(press, why)}")
            return {"response_action": "update", "view": view}
        self._background.start(self._refresh(press))
        return {}

    async def _record(self, press: Press, text: str) -> None:
        thread = await resume(
            self._app.ports,
            press.thread,
            press.wait,
            press.verdict,
            actor=press.actor,
            text=text,
            digest=press.digest,
            call=press.call,
            standing=press.standing,
        )
        self._app.runner.wake(thread.id)

    async def _open_form(self, press: Press, trigger_id: str) -> None:
        ports = self._app.ports
        try:
            thread = await keep_time(ports, await ports.store.load(press.thread))
            check_answer(
                find_open_wait(thread, press.wait), press.verdict, press.actor, press.digest
            )
        except (Refused, ThreadNotFound) as why:
            return await self._explain(press, why)
        view = build_form(thread.event(press.wait), press.verdict, asdict(press))
        await self._slack.call("views.open", trigger_id=trigger_id, view=view)

    async def _explain(self, press: Press, why: AgentError) -> None:
        """Tell whoever pressed the button, and nobody else, why it changed nothing."""
        reason = await self._describe_refusal(press, why)
        await self._refresh(press)
        await self._slack.call(
            "chat.postEphemeral",
            channel=press.shown.channel,
            user=press.user,
            text=f"Nothing changed: {reason}",
            **({"thread_ts": press.below} if press.below else {}),
        )

    async def _describe_refusal(self, press: Press, why: AgentError) -> str:
        if closed := await self._find_closed(press):
            return f"the request is closed already. {describe_decision(*closed)}"
        return escape(str(why))

    async def _refresh(self, press: Press) -> None:
        """Update the message if its wait is closed.

        The channel does the same, except where somebody answers before its receipt is recorded.
        """
        if closed := await self._find_closed(press):
            await close_wait(self._slack, press.shown, press.thread, *closed)

    async def _find_closed(self, press: Press) -> tuple[Event, Event] | None:
        """Return the wait and what closed it; None while it is open."""
        try:
            thread = await self._app.ports.store.load(press.thread)
        except ThreadNotFound:
            return None
        over = find_closing(thread, press.wait)
        return (thread.event(press.wait), over) if over else None


def _show_errors(problems: dict[str, str]) -> dict[str, Any]:
    return {"response_action": "errors", "errors": problems} if problems else {}
