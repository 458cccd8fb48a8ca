"""An edit of a call, shown as it would run before anybody approves it."""

import json
from dataclasses import dataclass

from ..log.errors import Refused
from ..log.events import CallJson, compute_digest
from ..log.state import OpenWait
from ..log.thread import Thread
from ..loop import api
from ..loop.ports import Ports
from ..people.cards import list_changes
from . import edits


@dataclass(frozen=True)
class Preview:
    """What the form of an edit carries: the approval of exactly this call."""

    call: CallJson
    digest: str
    changes: list[str]
    """Names of arguments."""


async def make_preview(
    ports: Ports, thread: Thread, wait: OpenWait, name: str, fields: dict[str, str]
) -> Preview:
    """Return the call that a form makes of the one that was shown. Raises Refused."""
    shown = wait.data.get("call")
    call = edits.apply_edit(find_schema(ports, thread), shown, fields) if shown else None
    found = await api.preview_edit(ports, thread.id, wait.seq, call, actor=name)
    return Preview(found.call, found.digest, list_changes(shown or {}, found.call))


def read_preview(fields: dict[str, str]) -> CallJson:
    """Return the call that somebody approved after its preview. Raises Refused."""
    try:
        call = json.loads(fields.get("call", ""))
    except (ValueError, RecursionError):
        call = None
    if not isinstance(call, dict):
        raise Refused("look at the preview of the edited call first, and approve it there")
    if fields.get("edited", "") != compute_digest(call):
        raise Refused("this is not the edited call you were shown; look again")
    return call


def find_schema(ports: Ports, thread: Thread) -> edits.Schema:
    """Return the schema of the steps of a thread's agent; an empty one where it is gone."""
    agent = ports.find_agent(thread)
    return agent.steps.schema if agent else {}
