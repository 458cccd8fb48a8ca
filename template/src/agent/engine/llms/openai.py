"""OpenAI and every server that speaks its Chat Completions; `OPENAI_BASE_URL` says which.

Neither a temperature nor a limit for the reply is sent unless it is set: the newest models refuse
the one, and servers disagree on the name of the other. Only servers that take cache marks get the
prompt in parts: some refuse a list of parts, and other caches work by the first bytes, which are
the same either way.
"""

from functools import partial
from typing import Any, Self
from urllib.parse import urlsplit

from ..context.window import Prompt
from ..log.errors import ModelRefused
from ..loop.ports import Reply
from ..options import ModelOptions
from ..settings import required
from .ladder import Form, Ladder, build_turns
from .platforms import make_azure_key
from .providers import CONNECT_S, NO_KEY, Server, Stop
from .streams import merge_openai, read_text

OPENAI = "https://api.openai.com/v1"
MARK = {"prompt_cache_breakpoint": {"mode": "explicit"}}
ROUTER_MARK = {"cache_control": {"type": "ephemeral"}}
"""https://openrouter.ai/docs/features/prompt-caching"""
USAGE = {"stream_options": {"include_usage": True}}
"""Without it a stream has no counts, unless the server counts anyway."""
STOPS: dict[Any, Stop] = {"length": "truncated", "error": "truncated", "content_filter": "refused"}
COUNTS = {"input": ["prompt_tokens"], "output": ["completion_tokens"], "cached": ["cached_tokens"]}


def choose_mark(server: Server) -> dict[str, Any]:
    """Return how a server wants the ends of caches marked; nothing if it takes no marks."""
    host = urlsplit(server.url).hostname or ""
    marks = {".openai.azure.com": MARK, ".openrouter.ai": ROUTER_MARK}
    known = (mark for end, mark in marks.items() if f".{host}".endswith(end))
    return MARK if server.own else next(known, {})


class OpenaiLLM:
    def __init__(self, client: Any, server: Server) -> None:
        self._client, self._server = client, server
        formats = ("json schema", "json mode", "words")
        self._mark, self._usage = choose_mark(server), USAGE
        self._ladder = Ladder(
            *formats, marks=bool(self._mark), schema_in_prompt=server.schema_in_prompt
        )

    @classmethod
    def from_env(cls, model: str, options: ModelOptions | None = None) -> Self:
        """`MODEL=openai:<model>`; a server of your own needs no key."""
        from openai import AsyncOpenAI, Timeout

        at = Server.from_env("openai", model, OPENAI, options)
        if at.platform:
            required("OPENAI_BASE_URL", "Write https://<resource>.openai.azure.com/openai/v1")
        key = make_azure_key() if at.platform and at.key == NO_KEY else at.key
        timeout = Timeout(at.silence_s, connect=CONNECT_S)
        client = AsyncOpenAI(api_key=key, base_url=at.url, timeout=timeout, max_retries=0)
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
        body: dict[str, Any] = {"model": self._server.model, "stream": True, **self._usage}
        body["messages"] = build_turns(prompt, **self._mark if form.marks else {})
        body |= {"response_format": asked_for} if asked_for else {}
        explicit = form.marks and self._mark == MARK
        body |= {"prompt_cache_options": {"mode": "explicit"}} if explicit else {}
        ask = partial(self._post, {**body, **self._list_options(prompt)})
        try:
            answer = await self._server.get_answer(ask, merge_openai, OpenAIError)
        except ModelRefused as error:
            if not self._usage or "stream_options" not in str(error):
                raise
            self._usage = {}
            return await self._ask(form, prompt, schema)
        match answer:
            case {"choices": [{"message": dict(said), **choice}, *_]}:
                refusal = said.get("refusal")
                stop = "refused" if refusal else STOPS.get(choice.get("finish_reason"), "end")
                words = refusal or read_text(said.get("content"))
                return self._server.build_reply(words, stop, answer, COUNTS)
        raise self._server.reject(answer)

    def _post(self, body: dict[str, Any]) -> Any:
        from openai import AsyncStream

        headers = {"headers": {**self._server.options.extra_headers}}
        path, stream = "/chat/completions", {"stream": True, "stream_cls": AsyncStream[object]}
        return self._client.post(path, cast_to=object, body=body, options=headers, **stream)

    def _list_options(self, prompt: Prompt) -> dict[str, Any]:
        """Return what is set; other servers know the limit of a reply by its old name."""
        options, own = self._server.options, self._server.own
        given = {
            "reasoning_effort": options.effort,
            "max_completion_tokens" if own else "max_tokens": options.max_output,
            "temperature": options.temperature,
            "service_tier": options.service_tier,
            "prompt_cache_key": (own and prompt.thread_id) or None,
        }
        named = {name: each for name, each in given.items() if each is not None}
        return named | dict(options.extra_body)
