"""Fingerprints of tools, so that one that its server changed is noticed before it is called."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..log.events import compute_digest

if TYPE_CHECKING:
    from mcp.types import Tool

_LENGTH = 16
"""Hexadecimal digits for each aspect."""
_ASPECTS: Mapping[str, tuple[str, ...]] = {
    "its description": ("title", "description"),
    "its arguments": ("inputSchema",),
    "its result": ("outputSchema",),
    "what it says of its effect": ("annotations",),
}


def fingerprint(tool: "Tool") -> str:
    """Return the digest of a tool: one part for each aspect, so that a change can be named."""
    told: dict[str, Any] = tool.model_dump(mode="json", by_alias=True, exclude_none=True)
    parts = ({name: told.get(name) for name in names} for names in _ASPECTS.values())
    return "-".join(compute_digest(part)[:_LENGTH] for part in parts)


def find_changes(before: str, tool: "Tool") -> list[str]:
    """Return the aspects of a tool that are not as a digest says."""
    old, new = before.split("-"), fingerprint(tool).split("-")
    if len(old) != len(new):
        return [*_ASPECTS]
    pairs = zip(_ASPECTS, old, new, strict=True)
    return [name for name, was, now in pairs if was != now]


def describe_change(tools: "Mapping[str, Tool]", name: str, digest: str) -> str:
    """Return how a tool differs from when it was added; "" if it is the same."""
    if name not in tools:
        return "is not there any more"
    changes = find_changes(digest, tools[name])
    return f"has changed: {', '.join(changes)}" if changes else ""
