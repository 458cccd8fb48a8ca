"""Factor 11: trigger from anywhere, here with a webhook of another system.

    POST /webhooks/{source}    for each source of `webhooks.toml`    202

Every request is signed, and its signature proves the source, which the log calls `hook:<source>`.
"""

import logging

from ..log.errors import Misconfigured
from ..people.routing import check_address
from ..runners.app import App, Served

log = logging.getLogger(__name__)


def serve(app: App) -> Served | None:
    """Receive the webhooks of each source. Raises Misconfigured."""
    from .sources import locate_file, read_sources  # Pydantic would slow down every other command

    found = read_sources()
    if not found:
        how = "To turn them on, add a table to %r (see docs/webhook.md)."
        log.warning(f"Webhooks are off. {how}", str(locate_file()))
        return None
    for name, source in found.items():
        try:
            if source.notify:
                check_address(app.ports.notifier, source.notify)
        except ValueError as error:
            wrong = f"{name}.notify = {source.notify!r} {error}"
            raise Misconfigured(f"{str(locate_file())!r}, {wrong}") from None
        if source.agent and source.agent not in app.ports.agents:
            wrong = f"{name}.agent: app.py has no agent {source.agent!r}"
            raise Misconfigured(
                f"{str(locate_file())!r}, {wrong}, only {', '.join(app.ports.agents)}"
            )
    from .routes import MAX_PAYLOAD, Webhooks  # FastAPI would slow down every other command

    bodies = {f"/webhooks/{name}": MAX_PAYLOAD for name in found}
    return Served(router=Webhooks(app, found).build_router(), bodies=bodies)
