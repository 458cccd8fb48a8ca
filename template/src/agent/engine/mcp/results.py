"""What a tool returned, as the log keeps it: structured content, or else its text."""

from typing import Any

from mcp.types import CallToolResult, TextContent

from ..log.events import cut

MAX_BLOCKS = 1_000
MAX_ERROR = 2_000
"""Characters."""


def read_result(result: CallToolResult) -> Any:
    """Return the structured content of a result, or its text.

    What is not text is named and left out.
    """
    if result.structured_content is not None:
        return result.structured_content
    return _read_text(result)


def read_error(result: CallToolResult) -> str:
    return cut(_read_text(result) or "no reason given", MAX_ERROR)


def _read_text(result: CallToolResult) -> str:
    texts = [
        block.text if isinstance(block, TextContent) else f"[{block.type}: left out]"
        for block in result.content[:MAX_BLOCKS]
    ]
    if more := len(result.content) - len(texts):
        texts.append(f"[{more} more: left out]")
    return "\n".join(texts)
