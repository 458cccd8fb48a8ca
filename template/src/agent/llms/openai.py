"""OpenAI and every server that speaks its Chat Completions; `OPENAI_BASE_URL` says which.

The blocks go out as one string: every server takes that (a list of parts is refused by some),
and what caches go by, the first bytes, are the same either way. No temperature and no limit on
the reply is sent: newest models refuse the one, servers disagree on the name of the other.
"""

from typing import TYPE_CHECKING, Any, Literal, Self

from ..context import Prompt
from ..errors import Misconfigured, Unavailable
from ..events import cut
from ..ports import Reply
from ..settings import optional, required
from .providers import Format, Ladder, failure, timeout_s

if TYPE_CHECKING:
    from openai import AsyncOpenAI

OPENAI = "https://api.openai.com/v1"

Stop = Literal["end", "truncated", "refused"]

_STOPS: dict[Any, Stop] = {"length": "truncated", "error": "truncated", "content_filter": "refused"}


class OpenaiLLM:
    def __init__(self, client: "AsyncOpenAI", model: str) -> None:
        self._client = client
        self._model = model
        self._ladder = Ladder()

    @classmethod
    def from_env(cls, model: str) -> Self:
        """`MODEL=openai:<model>`; a server of your own needs no key."""
        from openai import AsyncOpenAI

        if not model:
            raise Misconfigured("MODEL=openai names no model; write MODEL=openai:<model>")
        key, url = _key_and_url()
        return cls(AsyncOpenAI(api_key=key, base_url=url, timeout=timeout_s()), model)

    async def __call__(self, prompt: Prompt, schema: dict[str, Any]) -> Reply:
        user = "\n\n".join([*prompt.blocks, prompt.ask])
        return await self._ladder.reply(
            prompt.system, schema, lambda system, form: self._ask(system, user, form)
        )

    async def _ask(self, system: str, user: str, form: Format | None) -> Reply:
        from openai import OpenAIError, omit

        server = f"openai:{self._model} at {self._client.base_url}"
        try:
            completion = await self._client.chat.completions.create(
                model=self._model,
                messages=[
                    {"role": "system", "content": system},
                    {"role": "user", "content": user},
                ],
                response_format=form or omit,  # type: ignore[arg-type]  # ours is a plain dict
            )
        except (OpenAIError, ValueError) as error:
            raise failure(error, server, "OPENAI_API_KEY", "OPENAI_BASE_URL") from error
        # A page sent with a 200 comes back as a string.
        plain = completion if isinstance(completion, str) else completion.to_dict(warnings=False)
        return _reply_of(plain, server)


def _key_and_url() -> tuple[str, str]:
    url = optional("OPENAI_BASE_URL", OPENAI)
    if not url.startswith(("http://", "https://")):
        raise Misconfigured(f"OPENAI_BASE_URL={url!r} has to begin with http:// or https://")
    if url != OPENAI:
        return optional("OPENAI_API_KEY", "none"), url
    hint = "Get a key, or set OPENAI_BASE_URL to a server that needs none."
    return required("OPENAI_API_KEY", hint), url


def _reply_of(completion: Any, server: str) -> Reply:
    """Return the reply of a completion as plain JSON, of which servers leave out what they like.

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
