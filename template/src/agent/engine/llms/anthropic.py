"""Anthropic's Messages API, with its native structured output.

No temperature is sent, as the newest models refuse it. Its caches work by blocks and marks, so each
event is a block: https://platform.claude.com/docs/en/build-with-claude/prompt-caching.
"""

from functools import partial
from typing import Any, Self

from ..context.window import Prompt
from ..log.errors import Misconfigured
from ..loop.ports import Reply
from ..options import ModelOptions
from ..settings import required
from .ladder import NATIVE, Form, Ladder, build_turns
from .platforms import list_errors
from .providers import CONNECT_S, Server, Stop
from .streams import merge_anthropic, read_text

MAX_TOKENS = 16_000
"""Of a reply and its thinking: the API requires a limit."""
MARK = {"type": "ephemeral"}
STOPS: dict[Any, Stop] = {"end_turn": "end", "stop_sequence": "end", "refusal": "refused"}
COUNTS = {
    "input": ["input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens"],
    "output": ["output_tokens"],
    "cached": ["cache_read_input_tokens"],
    "cache_write": ["cache_creation_input_tokens"],
}


class AnthropicLLM:
    def __init__(self, client: Any, server: Server) -> None:
        self._client, self._server = client, server
        self._ladder = Ladder(
            "json schema", "words", marks=True, schema_in_prompt=server.schema_in_prompt
        )

    @classmethod
    def from_env(cls, model: str, options: ModelOptions | None = None) -> Self:
        """`MODEL=anthropic:<model>`"""
        import anthropic

        at = Server.from_env("anthropic", model, "https://api.anthropic.com", options)
        timeout = anthropic.Timeout(at.silence_s, connect=CONNECT_S)
        common: dict[str, Any] = {"base_url": at.url or None, "timeout": timeout, "max_retries": 0}
        match at.platform:
            case "bedrock":
                return cls(_open_bedrock(common), at)
            case "vertex":
                required("CLOUD_ML_REGION", "Write the region of Vertex AI, or `global`.")
                return cls(anthropic.AsyncAnthropicVertex(**common), at)
        return cls(anthropic.AsyncAnthropic(api_key=at.key, **common), at)

    async def __call__(self, prompt: Prompt, schema: dict[str, Any]) -> Reply:
        return await self._ladder.get_reply(prompt, schema, self._ask)

    def complete(self, prompt: Prompt, schema: dict[str, Any]) -> Prompt:
        return self._ladder.complete(prompt, schema)

    async def _ask(self, form: Form, prompt: Prompt, schema: dict[str, Any]) -> Reply:
        from anthropic import AnthropicError

        mark = {
            "cache_control": MARK
            | ({"ttl": ttl} if (ttl := self._server.options.cache_ttl) else {})
        }
        system, user = build_turns(prompt, **mark if form.marks else {})
        native = {"format": {"type": "json_schema", "schema": schema}}
        body = {"model": self._server.model, "max_tokens": MAX_TOKENS, "stream": True}
        body |= {"system": system["content"], "messages": [user]}
        body |= {"output_config": native} if form.format == NATIVE else {}
        ask = partial(self._post, self._add_options(body))
        match answer := await self._server.get_answer(ask, merge_anthropic, AnthropicError):
            case {"content": list(content)}:
                stop = STOPS.get(answer.get("stop_reason"), "truncated")
                return self._server.build_reply(read_text(content), stop, answer, COUNTS)
        raise self._server.reject(answer)

    def _post(self, body: dict[str, Any]) -> Any:
        from anthropic import AsyncStream

        headers = {"headers": {**self._server.options.extra_headers}}
        stream = {"stream": True, "stream_cls": AsyncStream[object]}
        return self._client.post(
            "/v1/messages", cast_to=object, body=body, options=headers, **stream
        )

    def _add_options(self, body: dict[str, Any]) -> dict[str, Any]:
        options = self._server.options
        given = {
            "max_tokens": options.max_output,
            "temperature": options.temperature,
            "service_tier": options.service_tier,
        }
        body = body | {name: each for name, each in given.items() if each is not None}
        if options.effort:
            body["output_config"] = {"effort": options.effort} | body.get("output_config", {})
        return body | dict(options.extra_body)


def _open_bedrock(common: dict[str, Any]) -> Any:
    from anthropic import AsyncAnthropicBedrock

    errors: tuple[type[Exception], ...] = (ValueError, *list_errors("anthropic", "bedrock"))
    try:
        return AsyncAnthropicBedrock(**common)
    except errors as error:
        raise Misconfigured(
            f"ANTHROPIC_PLATFORM=bedrock: {error} Check AWS_REGION and AWS_PROFILE."
        ) from error
