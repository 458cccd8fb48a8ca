"""What the adapters of providers share. It imports no SDK.

It knows where a provider is, how long to wait for it, how to read its answers, and what its errors
mean for a person (`failures.py`), if the SDK's errors carry a `response`.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Literal, Self

from ..log.errors import (
    AgentError,
    Misconfigured,
    ModelRefused,
    ModelUnavailable,
    PromptTooLong,
)
from ..log.events import cut
from ..loop.ports import Reply
from ..options import ModelOptions
from ..settings import mask_url, optional, read_seconds, read_switch, required
from .failures import Failure, Kind, name_cause, read_failure
from .platforms import list_errors, read_platform
from .streams import Merge, collect

Stop = Literal["end", "truncated", "refused"]
CONNECT_S = 5.0
"""How long a connection may take."""
PAUSES_S = (0.5, 1.0)
"""Pauses before connecting again. All other failures are retried by the runner."""


NO_KEY = "none"
"""What is sent as the key to a server that needs none."""


class FormatRefused(ModelRefused):
    """The server does not accept the requested output format."""


class MarksRefused(ModelRefused):
    """The server does not accept marks for its cache."""


@dataclass(frozen=True)
class Server:
    """One model at a provider, or at a server with the same API."""

    provider: str
    model: str
    url: str
    key: str = field(default=NO_KEY, repr=False)
    timeout_s: float = 900.0
    """For a whole reply."""
    silence_s: float = 120.0
    """Between two pieces of a reply."""
    own: bool = False
    """The provider itself or its platform, and not a compatible server."""
    schema_in_prompt: bool = True
    """The model has to be shown the schema in the prompt."""
    options: ModelOptions = field(default_factory=ModelOptions)
    platform: str = ""
    """One of `platforms.PLATFORMS`; `url` is then empty unless it is set."""

    @classmethod
    def from_env(
        cls, provider: str, model: str, home: str, options: ModelOptions | None = None
    ) -> Self:
        """Read `<PROVIDER>_API_KEY`, `<PROVIDER>_BASE_URL` (default `home`), `MODEL_TIMEOUT_S`,
        `MODEL_SILENCE_S` and `<PROVIDER>_SCHEMA_IN_PROMPT`.

        A server of your own needs no key, and its models are shown the schema: it may only enforce
        it. A platform (`<PROVIDER>_PLATFORM`) signs in by itself. Raises Misconfigured.
        """
        if not model:
            raise Misconfigured(
                f"MODEL={provider} does not name a model. Write MODEL={provider}:<model>"
            )
        name, platform = provider.upper(), read_platform(provider)
        url = optional(f"{name}_BASE_URL", "" if platform else home).rstrip("/")
        if url and not url.startswith(("http://", "https://")):
            raise Misconfigured(f"{name}_BASE_URL must start with http:// or https://")
        hint = f"Get a key, or set {name}_BASE_URL to a server that needs none."
        at_home = url == home.rstrip("/")
        own = at_home or bool(platform)
        key = required(f"{name}_API_KEY", hint) if at_home else optional(f"{name}_API_KEY")
        schema_in_prompt = read_switch(f"{name}_SCHEMA_IN_PROMPT", not own)
        options = options or ModelOptions()
        return cls(
            provider, model, url, key or NO_KEY,
            options.timeout_s or read_seconds("MODEL_TIMEOUT_S", cls.timeout_s),
            options.silence_s or read_seconds("MODEL_SILENCE_S", cls.silence_s),
            own, schema_in_prompt, options, platform,
        )  # fmt: skip

    async def get_answer(
        self, ask: Callable[[], Awaitable[Any]], merge: Merge, *errors: type[Exception]
    ) -> Any:
        """Return the answer as plain JSON, with the names that the API uses.

        It may lack any name, or be a text: a page sent with status 200. `ask` opens a stream,
        whose pieces are merged. `errors` are those of the SDK, and are raised as ours. A failed
        connection is tried again; a timeout is not, because the model may have been paid for.
        """
        known: tuple[type[Exception], ...] = (*errors, *_list_http_errors(), ValueError)
        try:
            async with asyncio.timeout(self.timeout_s):
                return await collect(await _connect(ask, known), merge)
        except known as error:
            raise self._translate(error) from error
        except list_errors(self.provider, self.platform) as error:
            raise self._explain_sign_in(error) from error
        except TimeoutError as error:
            raise ModelUnavailable(
                f"{self} did not end its reply within {self.timeout_s:g} s. "
                "If it needs longer, set MODEL_TIMEOUT_S higher."
            ) from error

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
        failure = read_failure(self.provider, error)
        if failure is None:
            reason = str(error.__cause__ or "") or str(error) or type(error).__name__
            hint = f"Check that it is running, {self._name('BASE_URL')} and MODEL_SILENCE_S."
            return ModelUnavailable(f"{self} does not answer ({reason.rstrip('.')}). {hint}")
        said = failure.said
        if len(self.key) > len(NO_KEY):  # some servers repeat it
            said = said.replace(self.key, "***")
        status = "" if failure.status == 200 else f"{failure.status}: "
        because = f"({status}{cut(said, 300)})"
        cause = self._cause(name_cause(failure))
        problem, todo = self._explain(failure)
        text = f"{self} {problem} {because}. {todo}".rstrip()
        if failure.kind == "wait":
            return ModelUnavailable(text, failure.retry_after_s)
        return REFUSALS.get(failure.kind, ModelRefused)(text, cause)

    def _explain_sign_in(self, error: Exception) -> AgentError:
        text = f"{self} could not sign in ({error})."
        if getattr(error, "retryable", False) or _is_connection_error(error):
            return ModelUnavailable(text)
        return ModelRefused(f"{text} Check the credentials of {self.platform}.", self._cause("key"))

    def _cause(self, name: str) -> str:
        return f"{self.provider}:{self.model} {name}"

    def _explain(self, failure: Failure) -> tuple[str, str]:
        """Return what went wrong, and what to do now."""
        url = self._name("BASE_URL")
        key = f"{self._name('API_KEY')} and {url}"
        if self.platform:
            url, key = self._name("PLATFORM"), f"the credentials of {self.platform}"
        match failure.kind:
            case "too_long":
                return "does not take a prompt of this length", "Set Limits.context lower."
            case "quota":
                return "has no quota or credit left", "Add some, then continue."
            case "format" | "marks":
                return "rejected the output format", "Try another MODEL."
            case "key":
                return "rejected the API key", f"Check {key}."
            case "model":
                return "does not know the model", f"Check MODEL and {url}."
            case "wait":
                wait_s = failure.retry_after_s
                return "is unavailable", f"It asks to wait {wait_s:.0f} s." if wait_s else ""
        return "rejected the request", f"Check MODEL and {url}."

    def _name(self, setting: str) -> str:
        return f"{self.provider.upper()}_{setting}"

    def __str__(self) -> str:
        place = f"at {mask_url(self.url)}" if self.url else f"on {self.platform}"
        return f"{self.provider}:{self.model} {place}"


def _count_tokens(usage: dict[str, Any], counts: dict[str, list[str]]) -> dict[str, int]:
    """Add up the numbers of each count; OpenAI's details are one level deeper."""
    known = usage | (usage.get("prompt_tokens_details") or {})
    found = {
        count: [known[name] for name in names if isinstance(known.get(name), int)]
        for count, names in counts.items()
    }
    return {count: sum(numbers) for count, numbers in found.items() if numbers}


@cache
def _list_http_errors() -> tuple[type[Exception], ...]:
    """Return what the HTTP clients of the SDKs raise, as far as an SDK passes it on."""
    found = [name for name in ("httpx", "httpx2") if find_spec(name)]
    return tuple(import_module(name).HTTPError for name in found)


async def _connect(ask: Callable[[], Awaitable[Any]], errors: tuple[type[Exception], ...]) -> Any:
    for pause_s in PAUSES_S:
        try:
            return await ask()
        except errors as error:
            if not _is_connection_error(error):
                raise
            await asyncio.sleep(pause_s)
    return await ask()


def _is_connection_error(error: Exception) -> bool:
    """Say whether no connection came about, or it was lost; the SDKs have no class in common."""
    names = " ".join(kind.__name__ for kind in type(error).__mro__)
    lost = re.search("Connect|NetworkError|RemoteProtocolError", names)
    return bool(lost) and "Timeout" not in names


REFUSALS: dict[Kind, type[ModelRefused]] = {
    "too_long": PromptTooLong,
    "format": FormatRefused,
    "marks": MarksRefused,
}
"""What is raised for a failure; ModelRefused for the others."""
