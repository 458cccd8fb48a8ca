"""Which answer may close which wait. Everything here raises `Refused`, with the reason."""

from ..log.errors import InvalidStep, Refused, ToolError
from ..log.events import CallJson, make_event
from ..log.state import VERDICTS, OpenWait
from ..log.thread import Thread
from .actions import Run
from .ports import BoundAgent
from .record import resolve_audience


def find_open_wait(thread: Thread, wait: int) -> OpenWait:
    """Return the wait `wait` if it is the open one."""
    if thread.state.wait and thread.state.wait.seq == wait:
        return thread.state.wait
    for past in reversed(thread.events):
        if past.type == "resumed" and past.data["wait"] == wait:
            raise Refused(f"already closed: {past.data['verdict']} by {past.actor}")
    raise Refused(f"{wait} is not waiting for an answer (any more)")


def check_answer(wait: OpenWait, verdict: str, actor: str, digest: str) -> None:
    """Refuse a person who is not asked, a verdict that does not fit, approval of another call."""
    if not wait.admits(actor):
        raise Refused(f"{actor} is not asked; {', '.join(wait.audience)} may answer")
    if verdict not in VERDICTS[wait.kind]:
        allowed = ", ".join(sorted(VERDICTS[wait.kind]))
        raise Refused(f"{verdict!r} does not answer this {wait.kind}; possible: {allowed}")
    if verdict in ("approve", "edit") and digest != wait.data["digest"]:
        raise Refused("this is not the call you were shown; look again")


def check_edit(
    agent: BoundAgent, thread: Thread, wait: OpenWait, call: CallJson | None, actor: str
) -> CallJson:
    """Return the call in its new form, if this person may approve that form too."""
    intent = wait.data["call"]["intent"]
    if call is None or call.get("intent", intent) != intent:
        raise Refused(f"an edit changes the arguments of {intent}, nothing else")
    before = thread.before(thread.state.step.seq) if thread.state.step else thread
    try:
        step = agent.steps.validate({**call, "intent": intent})
        action = agent.decide(step, before)
    except (InvalidStep, ToolError) as error:
        raise Refused(f"the edited call is not valid: {error}") from None
    needed = resolve_audience(thread, action.approvers) if isinstance(action, Run) else ()
    if needed and not {actor, "anyone"}.intersection(needed):
        raise Refused(f"the edited call needs the approval of {', '.join(needed)}")
    changed: CallJson = step.model_dump(mode="json")
    if make_event("resumed", call=changed).data["call"] != changed:
        raise Refused("the edited call is too long to be kept as it is")
    return changed
