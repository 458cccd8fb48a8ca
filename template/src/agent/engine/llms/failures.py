"""What an error of a provider means: a table for each, in the words of the provider.

`openai` is also for servers with the same API: vLLM, llama.cpp, Ollama, OpenRouter, Groq, Azure.
Sources: the API references of OpenAI, Anthropic and Gemini, and texts that people reported.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Literal

Kind = Literal["too_long", "quota", "marks", "format", "key", "model", "request", "wait"]

MAX_RETRY_AFTER_S = 3600.0

_KEY = r"^40[13] |api[ _]key"
RULES: dict[str, tuple[tuple[Kind, str], ...]] = {
    "openai": (
        (
            "too_long",
            r"context_length_exceeded|maximum context length|exceeds? the context window"
            r"|exceed_context_size|available context size|maximum model length"
            r"|reduce the length of|tokens must be reduced|prompt is too long",
        ),
        ("quota", r"^402 |insufficient_quota|insufficient credits|billing_hard_limit"),
        ("marks", r"prompt_cache"),
        (
            "format",
            r"response[ _]?format|json[ _]?(schema|object|mode)|structured[ _]output"
            r"|guided|grammar|invalid schema",
        ),
        ("key", _KEY),
        ("model", r"^404 |model_not_found|model .{0,200}(does not exist|not found)"),
    ),
    "anthropic": (
        (
            "too_long",
            r"prompt is too long|input is too long|exceed context limit|^413 |request_too_large",
        ),
        ("quota", r"^402 |credit balance is too low|billing_error"),
        ("marks", r"cache_control"),
        ("format", r"output_config|output_format|structured output|grammar|schema"),
        ("key", _KEY),
        ("model", r"^404 |model identifier is invalid|on-demand throughput"),
    ),
    "gemini": (
        ("too_long", r"token count .{0,40}exceeds|exceeds the maximum number of tokens"),
        ("key", _KEY),
        ("quota", r"^402 |check your plan and billing"),
        (
            "format",
            r"schema|json mode|mime_?type|too many states"
            r"|^400 \S* ?request contains an invalid argument",
        ),
        ("model", r"^404 "),
    ),
}
"""Matched in this order with `<status> <code> <text>`, ignoring case; the first rule counts."""

TRANSIENT = (200, 408, 409, 425, 429)
"""Besides 5xx. 200 is for a page that is not a reply."""


@dataclass(frozen=True)
class Failure:
    """An answer of a provider that is not a reply."""

    kind: Kind
    status: int
    said: str
    retry_after_s: float | None = None


def read_failure(provider: str, error: Exception) -> Failure | None:
    """Say what an error of an SDK means; None if the provider did not say anything.

    An error within a stream is a piece of it, after status 200. The SDKs keep it as `body`, or
    `details` (Gemini).
    """
    response = getattr(error, "response", None)
    body = getattr(error, "body", None) or getattr(error, "details", None)
    if response is None and not isinstance(body, dict):
        return None
    status = getattr(response, "status_code", 200)
    headers = getattr(response, "headers", {})
    code, said, details = _read_body(body if isinstance(body, dict) else _parse(response))
    after_s = parse_retry_after(headers)
    after_s = _find_retry_delay(details) if after_s is None else after_s
    text = f"{status} {code} {said}".replace("  ", " ")
    rules = RULES.get(provider, RULES["openai"])
    kind = next((kind for kind, words in rules if re.search(words, text, re.IGNORECASE)), None)
    transient = status in TRANSIENT or status >= 500
    if kind in ("quota", "key") and details and after_s is not None:
        kind = "wait"  # Gemini's free tier: the quota of this minute
    if (transient and kind in (None, "key", "model")) or (kind == "format" and status == 429):
        kind = "wait"
    kind = kind or "request"
    return Failure(kind, status, said, after_s)


def name_cause(failure: Failure) -> str:
    """Return what is the same in each such failure, without numbers and ids."""
    if failure.kind in ("key", "quota", "model"):
        return failure.kind
    same = re.sub(r"[\w-]*[0-9][\w-]*", "#", failure.said)
    return f"{failure.kind}: {same}"


def parse_retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that `Retry-After` asks for, at most an hour, by the server's clock."""
    milliseconds = headers.get("retry-after-ms", "").strip()
    if re.fullmatch(r"\d+(\.\d+)?", milliseconds):
        return min(float(milliseconds) / 1000, MAX_RETRY_AFTER_S)
    value = headers.get("retry-after", "").strip()
    if re.fullmatch(r"\d+(\.\d+)?", value):
        return min(float(value), MAX_RETRY_AFTER_S)
    until, now = _parse_date(value), _parse_date(headers.get("date", "")) or datetime.now(UTC)
    if until is None:
        return None
    return min(max((until - now).total_seconds(), 0.0), MAX_RETRY_AFTER_S)


def _parse_date(value: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(value)
    except ValueError:
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)


def _find_retry_delay(details: Any) -> float | None:
    """Return the `retryDelay` of Gemini's `google.rpc.RetryInfo`, such as `38s`."""
    for detail in details if isinstance(details, list) else ():
        delay = str(detail.get("retryDelay", "")) if isinstance(detail, dict) else ""
        if found := re.fullmatch(r"(\d+(?:\.\d+)?)s", delay):
            return min(float(found[1]), MAX_RETRY_AFTER_S)
    return None


def _parse(response: Any) -> Any:
    """Return the JSON of a response, or its text."""
    try:
        return response.json()
    except ValueError:
        return str(response.text)


def _read_body(body: Any) -> tuple[str, str, Any]:
    """Return the code, text and details of an error, which every provider puts elsewhere."""
    match body[0] if isinstance(body, list) and body else body:
        case {"error": {"message": str(said)} as error} | ({"message": str(said)} as error):
            codes = (error.get(name) for name in ("code", "type", "status"))
            code = " ".join(code for code in codes if isinstance(code, str))
            return code, said, error.get("details")
        case {"error": str(said)}:
            return "", said, None
    return "", body if isinstance(body, str) else json.dumps(body), None
