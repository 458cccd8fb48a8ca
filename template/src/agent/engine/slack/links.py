"""Where a wait can be seen outside of Slack, for what does not fit into a message."""

from ..http import build_wait_path
from ..settings import read_public_url
from .text import escape_entities


def link_page(thread_id: str, wait: int, todo: str) -> str:
    """Tell people where to go `todo`, such as "to see all of it"."""
    if url := read_public_url():
        address = escape_entities(url + build_wait_path(thread_id, wait))
        return f"<{address}|Open its page> {todo}."
    return f"Open the inbox or run `agent inbox` {todo}."
