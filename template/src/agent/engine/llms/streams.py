"""Puts a reply together from the pieces in which a provider streams it.

A stream shows that the model is still at work: a server that has died is noticed after some silence
and not after the longest time that a reply may take. Each function returns what the same API
answers without a stream, so the adapters read only that.
"""

import json
from collections.abc import Callable, Iterable
from typing import Any

Merge = Callable[[list[Any]], Any]


class Unfinished(ValueError):
    """The stream ended before the reply did."""

    def __init__(self) -> None:
        super().__init__("the stream ended before the reply")


async def collect(stream: Any, merge: Merge) -> Any:
    """Read a stream to its end, and return the whole answer.

    A server that does not stream sends JSON or a page, which is returned as it is.
    Raises Unfinished.
    """
    sent = getattr(stream, "response", None)
    # `text/event-stream`; on Bedrock `application/vnd.amazon.eventstream`.
    if sent is None or "stream" in sent.headers.get("content-type", ""):
        return merge([piece async for piece in stream])
    text = (await sent.aread()).decode("utf-8", "replace")
    try:
        return json.loads(text)
    except ValueError:
        return text


def merge_openai(pieces: list[Any]) -> Any:
    """https://platform.openai.com/docs/api-reference/chat-streaming"""
    said: dict[str, list[str]] = {"content": [], "refusal": []}
    reason = None
    for piece in pieces:
        match piece:
            case {"choices": [{"delta": dict(delta), **choice}, *_]}:
                for name, parts in said.items():
                    parts.append(read_text(delta.get(name)))
                reason = choice.get("finish_reason") or reason
    if reason is None:
        raise Unfinished
    message = {name: "".join(parts) for name, parts in said.items()}
    choices = [{"message": message, "finish_reason": reason}]
    return {"choices": choices, **_keep_last(pieces, "model", "usage")}


def merge_anthropic(pieces: list[Any]) -> Any:
    """https://platform.claude.com/docs/en/build-with-claude/streaming"""
    answer: dict[str, Any] = {}
    words: list[str] = []
    usage: dict[str, Any] = {}
    for piece in pieces:
        match piece:
            case {"type": "message_start", "message": dict(started)}:
                answer |= started
                usage |= started.get("usage") or {}
            case {
                "type": "content_block_delta",
                "delta": {"type": "text_delta", "text": str(text)},
            }:
                words.append(text)
            case {"type": "message_delta", "delta": dict(ended)}:
                answer |= ended
                usage |= piece.get("usage") or {}
    if answer.get("stop_reason") is None:
        raise Unfinished
    return answer | {"content": [{"type": "text", "text": "".join(words)}], "usage": usage}


def merge_gemini(pieces: list[Any]) -> Any:
    """https://ai.google.dev/api/generate-content#method:-models.streamgeneratecontent"""
    answer: dict[str, Any] = _keep_last(pieces, "modelVersion", "usageMetadata", "promptFeedback")
    parts: list[Any] = []
    reason = None
    for piece in pieces:
        match piece:
            case {"candidates": [dict(candidate), *_]}:
                parts += (candidate.get("content") or {}).get("parts") or []
                reason = candidate.get("finishReason") or reason
    if reason is not None:
        return answer | {"candidates": [{"content": {"parts": parts}, "finishReason": reason}]}
    if "promptFeedback" not in answer:
        raise Unfinished
    return answer


def read_text(content: Any) -> str:
    """Return the parts that are text; thinking comes before them, in a part of its own."""
    if isinstance(content, list):
        said = (part for part in content if part.get("type", "text") == "text")
        return "".join(part.get("text", "") for part in said if not part.get("thought"))
    return str(content or "")


def _keep_last(pieces: Iterable[Any], *names: str) -> dict[str, Any]:
    known = (piece for piece in pieces if isinstance(piece, dict))
    return {name: piece[name] for piece in known for name in names if piece.get(name)}
