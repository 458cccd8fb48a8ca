"""Where a person answers what no model may."""

from urllib.parse import quote

from ..settings import read_public_url


def describe_way(thread_id: str, wait: int) -> dict[str, str]:
    """Return the link to the page of a wait, or what to run where nothing is served."""
    if url := read_public_url():
        return {"link": f"{url}/waits/{quote(thread_id, safe='')}/{wait}"}
    return {"command": f"agent inbox, and then: agent show {thread_id}"}
