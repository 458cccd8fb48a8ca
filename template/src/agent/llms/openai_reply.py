"""What a chat completion says, as a `Reply`; compatible servers leave out what they like."""

from typing import Any, Literal

from ..errors import Unavailable
from ..events import cut
from ..ports import Reply

Stop = Literal["end", "truncated", "refused"]

_STOPS: dict[Any, Stop] = {"length": "truncated", "error": "truncated", "content_filter": "refused"}


def reply_of(completion: Any, server: str) -> Reply:
    """Return the reply of a completion as plain JSON.

    Raises:
        Unavailable: it is none at all, but some page, or an error sent with a 200.
    """
    match completion:
        case {"choices": [{"message": dict(message), **choice}, *_]}:
            refusal = message.get("refusal") or ""
            stop: Stop = "refused" if refusal else _STOPS.get(choice.get("finish_reason"), "end")
            text = refusal or _text(message.get("content"))
            tokens = _tokens(completion.get("usage"))
            return Reply(text, tokens, stop, completion.get("model") or "")
    said = cut(str(completion), 200)
    hint = "Check OPENAI_BASE_URL: it mostly ends in /v1"
    raise Unavailable(f"{server} sent no chat completion but {said!r}. {hint}.")


def _text(content: Any) -> str:
    """Pick the text by type: some servers send their thinking in a part before it."""
    match content:
        case str():
            return content
        case list():
            return "".join(part["text"] for part in content if part.get("type") == "text")
    return ""


def _tokens(usage: Any) -> dict[str, int]:
    usage = usage or {}
    counted = {
        "input": usage.get("prompt_tokens"),
        "output": usage.get("completion_tokens"),
        "cached": (usage.get("prompt_tokens_details") or {}).get("cached_tokens"),
    }
    return {name: count for name, count in counted.items() if isinstance(count, int)}
