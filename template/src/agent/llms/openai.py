"""OpenAI and every server that speaks its Chat Completions; `OPENAI_BASE_URL` says which.

The blocks go out as one string: every server takes that (a list of parts is refused by some),
and what caches go by, the first bytes, are the same either way. No temperature and no limit on
the reply is sent: newest models refuse the one, servers disagree on the name of the other.
"""

from typing import TYPE_CHECKING, Any, Self

from ..context import Prompt
from ..errors import Misconfigured
from ..ports import Reply
from ..settings import optional, required
from .failures import failure
from .ladder import Format, Ladder
from .openai_reply import reply_of
from .timeout import timeout_s

if TYPE_CHECKING:
    from openai import AsyncOpenAI

OPENAI = "https://api.openai.com/v1"


class OpenaiLLM:
    def __init__(self, client: "AsyncOpenAI", model: str) -> None:
        self._client = client
        self._model = model
        self._ladder = Ladder()

    @classmethod
    def from_env(cls, model: str) -> Self:
        """`MODEL=openai:<model>`; a server of your own needs no key."""
        from openai import AsyncOpenAI

        url = optional("OPENAI_BASE_URL", OPENAI)
        if not model:
            raise Misconfigured("MODEL=openai names no model; write MODEL=openai:<model>")
        if not url.startswith(("http://", "https://")):
            raise Misconfigured(f"OPENAI_BASE_URL={url!r} has to begin with http:// or https://")
        if url == OPENAI:
            hint = "Get a key, or set OPENAI_BASE_URL to a server that needs none."
            key = required("OPENAI_API_KEY", hint)
        else:
            key = optional("OPENAI_API_KEY", "none")
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
        return reply_of(plain, server)
