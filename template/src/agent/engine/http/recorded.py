"""What the API answers to a request that it recorded, perhaps at an earlier attempt."""

from fastapi import HTTPException

from ..log.events import Event, cap_event, make_event
from ..log.thread import Thread
from ..redaction import redact_event
from . import views
from .service import Service


def report_message(service: Service, thread: Thread, delivery: str, text: str) -> views.Recorded:
    """Find the message of a delivery, and check that it says this."""
    said = thread.find(f"in:{delivery}")
    meant = redact_event(make_event("message", text=text), service.app.ports.redact)
    if said and said.data["text"] != cap_event(meant).data["text"]:
        raise HTTPException(422, "this Idempotency-Key came with another text before")
    return report_recorded(service, thread, said)


def report_recorded(
    service: Service, thread: Thread, recorded: Event | None = None
) -> views.Recorded:
    """Name the event of a request; without one, it is the last of the thread."""
    service.app.runner.wake(thread.id)
    return views.Recorded(id=thread.id, seq=(recorded or thread.events[-1]).seq)
