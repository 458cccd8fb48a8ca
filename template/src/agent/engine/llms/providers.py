"""What the adapters of providers share; it imports no SDK.

Where a provider is, how long to wait for it, what its answer says in any dialect, and what its
error means for a person (of SDKs whose errors carry `response`).
"""

import re
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Literal, Self

from pydantic import BaseModel

from ..log.errors import AgentError, Misconfigured, Unavailable
from ..log.events import cut
from ..loop.ports import Reply
from ..settings import optional, required

Stop = Literal["end", "truncated", "refused"]
MAX_RETRY_AFTER_S = 3600.0

_FORMAT = re.compile(
    r"schema|response[_ ]?format|output_config|json[_ ]?(object|mode)|guided|grammar|prompt_cache",
    re.IGNORECASE,
)


class FormatRefused(Misconfigured):
    """The server does not take the format that it was asked for."""


@dataclass(frozen=True)
class Server:
    """One model at a provider, or at a server that speaks like it."""

    provider: str
    model: str
    url: str
    key: str = field(default="none", repr=False)
    timeout_s: float = 120.0

    @classmethod
    def from_env(cls, provider: str, model: str, home: str) -> Self:
        """Read `<PROVIDER>_API_KEY`, `<PROVIDER>_BASE_URL` (without it: `home`) and
        `MODEL_TIMEOUT_S`. A server of your own needs no key. Raises Misconfigured."""
        if not model:
            raise Misconfigured(f"MODEL={provider} names no model; write MODEL={provider}:<model>")
        name = provider.upper()
        url = optional(f"{name}_BASE_URL", home)
        if not url.startswith(("http://", "https://")):
            raise Misconfigured(f"{name}_BASE_URL={url!r} has to begin with http:// or https://")
        hint = f"Get a key, or set {name}_BASE_URL to a server that needs none."
        key = required(f"{name}_API_KEY", hint) if url == home else optional(f"{name}_API_KEY")
        return cls(provider, model, url, key or "none", _timeout_s())

    async def answer(self, asked: Awaitable[Any], *errors: type[Exception]) -> Any:
        """Return what an SDK answers as plain JSON under the names of the wire, of which
        servers leave out what they like; a page sent with a 200 is a string."""
        known: tuple[type[Exception], ...] = (*errors, ValueError)
        try:
            answer = await asked
        except known as error:
            raise self._failure(error) from error
        if not isinstance(answer, BaseModel):
            return answer
        return answer.model_dump(mode="json", by_alias=True, exclude_none=True, warnings=False)

    def reply(self, said: str, stop: Stop, answer: Any, counts: dict[str, list[str]]) -> Reply:
        """Return a reply; `counts` says which numbers of the answer's usage are added up."""
        usage = answer.get("usage") or answer.get("usageMetadata") or {}
        model = answer.get("model") or answer.get("modelVersion") or self.model
        return Reply(said, _tokens(usage, counts), stop, model)

    def nonsense(self, answer: Any) -> Unavailable:
        """Return what to raise for a 200 that is no reply: some page, or an error."""
        return Unavailable(f"{self} sent no reply but {cut(str(answer), 200)!r}. Is it right?")

    def _failure(self, error: Exception) -> AgentError:
        response = getattr(error, "response", None)
        url, key = (f"{self.provider.upper()}_{name}" for name in ("BASE_URL", "API_KEY"))
        if response is None:
            reason = str(error.__cause__ or "") or str(error) or type(error).__name__
            hint = f"Does it run, and is {url} right? MODEL_TIMEOUT_S is how long to wait"
            return Unavailable(f"{self} does not answer ({reason}). {hint}.")
        status, said = response.status_code, _said(response)
        because = f"({status}: {cut(said, 300)})"
        if status in (401, 403) or (status == 400 and "api key" in said.lower()):
            return Misconfigured(f"{self} refuses the key {because}. Check {key} and {url}.")
        if status != 429 and _FORMAT.search(said):
            return FormatRefused(f"{self} refuses the format {because}. Try another MODEL.")
        if status in (200, 408, 409, 425, 429) or status >= 500:
            after = retry_after_s(response.headers)
            return Unavailable(f"{self} cannot answer now {because}.", after)
        problem = "is not there" if status == 404 else "refuses the request"
        return Misconfigured(f"{self} {problem} {because}. Check MODEL and {url}.")

    def __str__(self) -> str:
        return f"{self.provider}:{self.model} at {self.url}"


def text(content: Any) -> str:
    """Pick the text by its type: thinking comes before it, in a part of its own."""
    if isinstance(content, list):
        said = (part for part in content if part.get("type", "text") == "text")
        return "".join(part.get("text", "") for part in said if not part.get("thought"))
    return str(content or "")


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Return the wait that `Retry-After` asks for, at most an hour, by the server's clock."""
    value = headers.get("retry-after", "").strip()
    if re.fullmatch(r"\d+(\.\d+)?", value):
        return min(float(value), MAX_RETRY_AFTER_S)
    until, now = _date(value), _date(headers.get("date", "")) or datetime.now(UTC)
    if until is None:
        return None
    return min(max((until - now).total_seconds(), 0.0), MAX_RETRY_AFTER_S)


def _date(value: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(value)
    except ValueError:
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)


def _tokens(usage: dict[str, Any], counts: dict[str, list[str]]) -> dict[str, int]:
    """Add up what is told of each count; OpenAI's details are one level deeper."""
    told = usage | (usage.get("prompt_tokens_details") or {})
    found = {
        count: [told[name] for name in names if isinstance(told.get(name), int)]
        for count, names in counts.items()
    }
    return {count: sum(numbers) for count, numbers in found.items() if numbers}


def _timeout_s() -> float:
    value = optional("MODEL_TIMEOUT_S", "120")
    try:
        seconds = float(value)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise Misconfigured(f"MODEL_TIMEOUT_S={value!r} is no number of seconds")
    return seconds


def _said(response: Any) -> str:
    """Return the words of an error: every provider has them elsewhere."""
    try:
        body = response.json()
    except ValueError:
        body = None
    match body[0] if isinstance(body, list) and body else body:
        case {"error": {"message": str(said)}} | {"error": str(said)} | {"message": str(said)}:
            return said
    return str(response.text)
