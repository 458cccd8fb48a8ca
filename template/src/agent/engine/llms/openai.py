"""OpenAI and every server that speaks its Chat Completions; `OPENAI_BASE_URL` says which.

Neither a temperature nor a limit for the reply is sent: the newest models refuse the one, and
servers disagree on the name of the other. Only OpenAI itself gets the prompt in parts with cache
marks: some servers refuse a list of parts, and other caches work by the first bytes, which are the
same either way.
"""

from functools import partial
from typing import Any, Self

from ..context.window import Prompt
from ..loop.ports import Reply
from .ladder import Form, Ladder, build_turns
from .providers import CONNECT_S, Server, Stop, read_text

OPENAI = "https://api.openai.com/v1"
MARK = {"prompt_cache_breakpoint": {"mode": "explicit"}}
STOPS: dict[Any, Stop] = {"length": "truncated", "error": "truncated", "content_filter": "refused"}
COUNTS = {"input": ["prompt_tokens"], "output": ["completion_tokens"], "cached": ["cached_tokens"]}


class OpenaiLLM:
    def __init__(self, client: Any, server: Server) -> None:
        self._client, self._server = client, server
        formats = ("json schema", "json mode", "words")
        self._ladder = Ladder(*formats, marks=server.own, told=server.told)

    @classmethod
    def from_env(cls, model: str) -> Self:
        """`MODEL=openai:<model>`; a server of your own needs no key."""
        from openai import AsyncOpenAI, Timeout

        at = Server.from_env("openai", model, OPENAI)
        timeout = Timeout(at.timeout_s, connect=CONNECT_S)
        client = AsyncOpenAI(api_key=at.key, base_url=at.url, timeout=timeout, max_retries=0)
        return cls(client, at)

    async def __call__(self, prompt: Prompt, schema: dict[str, Any]) -> Reply:
        return await self._ladder.get_reply(prompt, schema, self._ask)

    def complete(self, prompt: Prompt, schema: dict[str, Any]) -> Prompt:
        return self._ladder.complete(prompt, schema)

    async def _ask(self, form: Form, prompt: Prompt, schema: dict[str, Any]) -> Reply:
        from openai import OpenAIError

        native = {"name": "next_step", "strict": True, "schema": schema}
        formats = {"json mode": {"type": "json_object"}, "words": None}
        asked_for = formats.get(form.format, {"type": "json_schema", "json_schema": native})
        body: dict[str, Any] = {"model": self._server.model}
        body["messages"] = build_turns(prompt, **MARK if form.marks else {})
        body |= {"response_format": asked_for} if asked_for else {}
        body |= {"prompt_cache_options": {"mode": "explicit"}} if form.marks else {}
        ask = partial(self._client.post, "/chat/completions", cast_to=object, body=body)
        match answer := await self._server.get_answer(ask, OpenAIError):
            case {"choices": [{"message": dict(said), **choice}, *_]}:
                refusal = said.get("refusal")
                stop = "refused" if refusal else STOPS.get(choice.get("finish_reason"), "end")
                words = refusal or read_text(said.get("content"))
                return self._server.build_reply(words, stop, answer, COUNTS)
        raise self._server.reject(answer)
