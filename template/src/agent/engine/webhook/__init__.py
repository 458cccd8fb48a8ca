"""Factor 11: trigger from anywhere, here with a webhook of another system.

    POST /webhooks/{source}    for each source of `webhooks.toml`    202

What comes in is signed: the signature says that it is the source, `hook:<source>` in the log.
"""

import logging

from ..log.errors import Misconfigured
from ..people.routing import tellable
from ..runners.app import App, Served
from .sources import path, sources

log = logging.getLogger(__name__)


def served(app: App) -> Served | None:
    """Open a way in for each source. Raises Misconfigured."""
    found = sources()
    if not found:
        how = "a table in %r switches it on, see docs/webhook.md"
        log.warning(f"webhook is off: {how}", str(path()))
        return None
    for name, source in found.items():
        try:
            if source.tell:
                tellable(app.ports.notifier, source.tell)
        except ValueError as error:
            wrong = f"{name}.tell = {source.tell!r} {error}"
            raise Misconfigured(f"{str(path())!r}, {wrong}") from None
    from .routes import Webhooks  # FastAPI would slow down every other command

    return Served(router=Webhooks(app, found).router())
