"""A context window that grew too long gets a new beginning: its older blocks as a line each."""

from typing import Any

from .context import MAX_CONTEXT, blocks_of, visible
from .events import Event, cut
from .state import State
from .thread import Thread, reduce


def compacted(thread: Thread) -> dict[str, Any]:
    """Return the data of a `compacted` event: the older blocks as a line each.

    Errors among them are left out, and no call is cut off from its result.
    """
    whole, state = {0}, State()
    for event in thread.events:
        state = reduce(state, event)
        if not state.step and not state.wait:
            whole.add(event.seq)
    kept, upto = 0, thread.state.version
    for event in reversed(visible(thread)):
        kept += sum(map(len, blocks_of(thread, event)))
        if kept > MAX_CONTEXT // 2 or event.type == "compacted":
            break
        upto = event.seq - 1 if event.seq - 1 in whole else upto
    lines = [
        line
        for event in visible(thread)
        if (event.seq <= upto or event.type == "compacted") and "error" not in event.data
        for line in _lines(thread, event)
    ]
    return {"upto": upto, "text": cut("\n".join(lines), MAX_CONTEXT // 10)}


def _lines(thread: Thread, event: Event) -> list[str]:
    if event.type == "compacted":
        return str(event.data["text"]).split("\n")
    tagged = (block.partition("\n") for block in blocks_of(thread, event))
    return [f"{tag[1:-1]}: {' '.join(body.rpartition('</')[0].split())}" for tag, _, body in tagged]
