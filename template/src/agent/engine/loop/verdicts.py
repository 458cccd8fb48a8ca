"""Which answer may close which wait. Everything here raises `Refused`, with the reason."""

from ..log.errors import AgentError, Refused
from ..log.events import CallJson, cap_event, make_event
from ..log.state import VERDICTS, OpenWait
from ..log.thread import Thread
from .actions import Run
from .ports import Ports
from .record import list_approvers, resolve_audience


def find_open_wait(thread: Thread, wait: int) -> OpenWait:
    """Return the wait `wait` if it is the open one."""
    if thread.state.wait and thread.state.wait.seq == wait:
        return thread.state.wait
    if past := thread.find(f"answer:{wait}"):
        raise Refused(f"already closed: {past.data['verdict']} by {past.actor}")
    raise Refused(f"{wait} is not waiting for an answer (any more)")


def check_answer(
    wait: OpenWait, verdict: str, actor: str, digest: str, standing: bool = False
) -> None:
    """Refuse a person who is not asked, a verdict that does not fit, approval of another call."""
    if not wait.admits(actor):
        raise Refused(f"{actor} is not asked; {', '.join(wait.audience)} may answer")
    if verdict not in VERDICTS[wait.kind]:
        allowed = ", ".join(sorted(VERDICTS[wait.kind]))
        raise Refused(f"{verdict!r} does not answer this {wait.kind}; possible: {allowed}")
    if verdict == "approve" and digest != wait.data["digest"]:
        raise Refused("this is not the call you were shown; look again")
    if standing and not (verdict == "approve" and wait.data.get("standing")):
        raise Refused("this can be approved once, and not for the whole thread")


def check_edit(
    ports: Ports, thread: Thread, wait: OpenWait, call: CallJson | None, actor: str
) -> CallJson:
    """Return the call as it will run, written as a model's own call is, if this person may
    approve it in that form too."""
    agent, intent = ports.get_agent(thread), wait.data["call"]["intent"]
    if call is None or call.get("intent", intent) != intent:
        raise Refused(f"an edit changes the arguments of {intent}, nothing else")
    before = thread.before(thread.state.step.seq) if thread.state.step else thread
    try:
        step = agent.steps.validate({"intent": intent, **call})
        action = agent.choose_action(step, before)
        named = list_approvers(thread, action) if isinstance(action, Run) else ()
        needed = resolve_audience(ports, thread, named)
    except AgentError as error:
        raise Refused(f"the edited call is not valid: {error}") from None
    except Exception as error:  # of the owner's code
        raise Refused(f"decide() failed: {type(error).__name__}: {error}") from None
    if needed and not {actor, "anyone"}.intersection(needed):
        raise Refused(f"the edited call needs the approval of {', '.join(needed)}")
    changed = agent.steps.write(step)
    if cap_event(make_event("resumed", call=changed)).data["call"] != changed:
        raise Refused("the edited call is too long to be stored whole")
    return changed
