"""Where a wait can be seen outside of Slack, for what does not fit into a message."""

from ..http import build_wait_path
from ..log.errors import Misconfigured
from ..settings import optional
from .text import escape_entities


def read_public_url() -> str:
    """Return `PUBLIC_URL` without its last slash, "" if it is not set. Raises Misconfigured."""
    url = optional("PUBLIC_URL").rstrip("/")
    if url and not url.startswith(("https://", "http://")):
        raise Misconfigured("PUBLIC_URL is not a URL such as https://agent.example.org")
    return url


def link_page(thread_id: str, wait: int, todo: str) -> str:
    """Tell people where to go `todo`, such as "to see all of it"."""
    if url := read_public_url():
        address = escape_entities(url + build_wait_path(thread_id, wait))
        return f"<{address}|Open its page> {todo}."
    return f"Open the inbox or run `agent inbox` {todo}."
