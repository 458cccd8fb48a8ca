"""Factor 3: own your context window. Yours: how an event reads to the model.

The engine renders every event as a block: a tag, and inside it compact YAML that cannot leave it.
Return a block of your own for the events you want to read differently. A block is final once it
was sent, so what you return may depend on the event and on what came before it, never on a clock.
"""

from ..engine import Event, Thread, render_block


def render(event: Event, thread: Thread) -> str | None:
    """Return the block of an event, None to leave it to the engine, "" to leave it out."""
    match event.type, event.data:
        case "message", {"facts": {"git_tags": [*tags]}}:
            return render_block(
                "git_tags", "\n".join(f"{tag['name']} of {tag['date'][:10]}" for tag in tags)
            )
    return None
