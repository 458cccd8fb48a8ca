"""What the adapters of providers share. It imports no SDK.

It knows where a provider is, how long to wait for it, how to read its answers, and what its errors
mean for a person (if the SDK's errors carry a `response`).
"""

import re
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Literal, Self

from ..log.errors import AgentError, Misconfigured, ModelRefused, ModelUnavailable
from ..log.events import cut
from ..loop.ports import Reply
from ..settings import mask_url, optional, required

Stop = Literal["end", "truncated", "refused"]
MAX_RETRY_AFTER_S = 3600.0

_FORMAT = re.compile(
    r"schema|response[_ ]?format|output_config|json[_ ]?(object|mode)|guided|grammar|prompt_cache",
    re.IGNORECASE,
)


class FormatRefused(ModelRefused):
    """The server does not accept the requested output format."""


@dataclass(frozen=True)
class Server:
    """One model at a provider, or at a server with the same API."""

    provider: str
    model: str
    url: str
    key: str = field(default="none", repr=False)
    timeout_s: float = 120.0

    @classmethod
    def from_env(cls, provider: str, model: str, home: str) -> Self:
        """Read `<PROVIDER>_API_KEY`, `<PROVIDER>_BASE_URL` (default `home`) and `MODEL_TIMEOUT_S`.

        A server of your own needs no key. Raises Misconfigured.
        """
        if not model:
            raise Misconfigured(
                f"MODEL={provider} does not name a model. Write MODEL={provider}:<model>"
            )
        name = provider.upper()
        url = optional(f"{name}_BASE_URL", home)
        if not url.startswith(("http://", "https://")):
            raise Misconfigured(f"{name}_BASE_URL must start with http:// or https://")
        hint = f"Get a key, or set {name}_BASE_URL to a server that needs none."
        key = required(f"{name}_API_KEY", hint) if url == home else optional(f"{name}_API_KEY")
        return cls(provider, model, url, key or "none", _read_timeout_s())

    async def await_answer(self, asked: Awaitable[Any], *errors: type[Exception]) -> Any:
        """Return the answer as plain JSON, with the names that the API uses.

        It may lack any name, or be a text: a page sent with status 200. `errors` are those of the
        SDK, and are raised as ours.
        """
        known: tuple[type[Exception], ...] = (*errors, ValueError)
        try:
            answer = await asked
        except known as error:
            raise self._translate(error) from error
        if not hasattr(answer, "model_dump"):
            return answer
        return answer.model_dump(mode="json", by_alias=True, exclude_none=True, warnings=False)

    def build_reply(
        self, said: str, stop: Stop, answer: Any, counts: dict[str, list[str]]
    ) -> Reply:
        """Build a reply; `counts` names the numbers of the answer's usage to add up."""
        usage = answer.get("usage") or answer.get("usageMetadata") or {}
        model = answer.get("model") or answer.get("modelVersion") or self.model
        return Reply(said, _count_tokens(usage, counts), stop, model)

    def reject(self, answer: Any) -> ModelUnavailable:
        """Return what to raise for a 200 that is not a reply: a page, or an error."""
        return ModelUnavailable(f"{self} did not send a reply, but {cut(str(answer), 200)!r}.")

    def _translate(self, error: Exception) -> AgentError:
        response = getattr(error, "response", None)
        url, key = (f"{self.provider.upper()}_{name}" for name in ("BASE_URL", "API_KEY"))
        if response is None:
            reason = str(error.__cause__ or "") or str(error) or type(error).__name__
            hint = f"Check that it is running, {url} and MODEL_TIMEOUT_S."
            return ModelUnavailable(f"{self} does not answer ({reason}). {hint}")
        status, said = response.status_code, _read_error(response)
        if len(self.key) > len("none"):  # some servers repeat it
            said = said.replace(self.key, "***")
        because = f"({status}: {cut(said, 300)})"
        if status in (401, 403) or (status == 400 and "api key" in said.lower()):
            return ModelRefused(f"{self} rejected the API key {because}. Check {key} and {url}.")
        if "insufficient_quota" in said or "insufficient_quota" in str(response.text):
            return ModelRefused(f"{self} has no quota left {because}. Add some, and continue.")
        if status != 429 and _FORMAT.search(said):
            return FormatRefused(f"{self} rejected the output format {because}. Try another MODEL.")
        if status in (200, 408, 409, 425, 429) or status >= 500:
            after = parse_retry_after(response.headers)
            return ModelUnavailable(f"{self} is unavailable {because}.", after)
        problem = "does not exist" if status == 404 else "rejected the request"
        return ModelRefused(f"{self} {problem} {because}. Check MODEL and {url}.")

    def __str__(self) -> str:
        return f"{self.provider}:{self.model} at {mask_url(self.url)}"


def read_text(content: Any) -> str:
    """Return the parts that are text; thinking comes before them, in a part of its own."""
    if isinstance(content, list):
        said = (part for part in content if part.get("type", "text") == "text")
        return "".join(part.get("text", "") for part in said if not part.get("thought"))
    return str(content or "")


def parse_retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that `Retry-After` asks for, at most an hour, by the server's clock."""
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


def _count_tokens(usage: dict[str, Any], counts: dict[str, list[str]]) -> dict[str, int]:
    """Add up the numbers of each count; OpenAI's details are one level deeper."""
    known = usage | (usage.get("prompt_tokens_details") or {})
    found = {
        count: [known[name] for name in names if isinstance(known.get(name), int)]
        for count, names in counts.items()
    }
    return {count: sum(numbers) for count, numbers in found.items() if numbers}


def _read_timeout_s() -> float:
    value = optional("MODEL_TIMEOUT_S", "120")
    try:
        seconds = float(value)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise Misconfigured(f"MODEL_TIMEOUT_S={value!r} is not a number of seconds")
    return seconds


def _read_error(response: Any) -> str:
    """Return the text of an error, which every provider puts elsewhere."""
    try:
        body = response.json()
    except ValueError:
        body = None
    match body[0] if isinstance(body, list) and body else body:
        case {"error": {"message": str(said)}} | {"error": str(said)} | {"message": str(said)}:
            return said
    return str(response.text)
