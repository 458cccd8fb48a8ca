"""Gemini's generateContent, with its native JSON schema.

Its caches work by the first bytes and take no marks, so the prompt is one text. The HTTP client is
ours: the SDK would use another, with other errors, if that happened to be installed.
"""

from collections.abc import AsyncIterator
from functools import partial
from typing import Any, Self

from ..context.window import Prompt
from ..log.errors import Misconfigured
from ..loop.ports import Reply
from ..options import ModelOptions
from ..settings import optional, required
from .ladder import NATIVE, Form, Ladder, build_turns
from .providers import Server, Stop
from .streams import merge_gemini, read_text

HOME = "https://generativelanguage.googleapis.com"
STOPS: dict[Any, Stop] = {"STOP": "end", "MAX_TOKENS": "truncated"}
INPUT, OUTPUT = ["promptTokenCount"], ["candidatesTokenCount", "thoughtsTokenCount"]
COUNTS = {"input": INPUT, "output": OUTPUT, "cached": ["cachedContentTokenCount"]}


class GeminiLLM:
    def __init__(self, client: Any, server: Server) -> None:
        self._client, self._server = client, server
        self._ladder = Ladder("json schema", "json mode", schema_in_prompt=server.schema_in_prompt)

    @classmethod
    def from_env(cls, model: str, options: ModelOptions | None = None) -> Self:
        """`MODEL=gemini:<model>`"""
        from google.genai import Client
        from httpx2 import AsyncClient

        at = Server.from_env("gemini", model, HOME, options)
        http: Any = {
            "base_url": at.url or None,
            "api_version": "v1beta",
            "retry_options": {"attempts": 1},
            "timeout": round(at.silence_s * 1000),
            "httpx_async_client": AsyncClient(),
        }
        if at.platform:
            return cls(_open_vertex(http), at)
        return cls(Client(vertexai=False, api_key=at.key, http_options=http), at)

    async def __call__(self, prompt: Prompt, schema: dict[str, Any]) -> Reply:
        return await self._ladder.get_reply(prompt, schema, self._ask)

    def complete(self, prompt: Prompt, schema: dict[str, Any]) -> Prompt:
        return self._ladder.complete(prompt, schema)

    async def _ask(self, form: Form, prompt: Prompt, schema: dict[str, Any]) -> Reply:
        from google.genai.errors import APIError

        system, user = (turn["content"] for turn in build_turns(prompt))
        config: dict[str, Any] = {
            "system_instruction": system,
            "response_mime_type": "application/json",
        }
        config |= {"response_json_schema": schema} if form.format == NATIVE else {}
        config |= self._list_options()
        ask = partial(self._post, user, config)
        # The SDK raises TypeError for an error without a code.
        match answer := await self._server.get_answer(ask, merge_gemini, APIError, TypeError):
            case {"candidates": [dict(said), *_]} | {"promptFeedback": dict(said)}:
                parts = said.get("content", {}).get("parts")
                words = read_text(parts) or said.get("blockReason", "")
                stop = STOPS.get(said.get("finishReason"), "refused")
                return self._server.build_reply(words, stop, answer, COUNTS)
        raise self._server.reject(answer)

    async def _post(self, user: str, config: dict[str, Any]) -> Any:
        generate, model = self._client.aio.models.generate_content_stream, self._server.model
        stream = aiter(await generate(model=model, contents=user, config=config))
        # The SDK connects when the first piece is read.
        first = await anext(stream, None)
        return _dump(first, stream)

    def _list_options(self) -> dict[str, Any]:
        options = self._server.options
        given: dict[str, Any] = {
            "max_output_tokens": options.max_output,
            "temperature": options.temperature,
            "thinking_config": {"thinking_level": options.effort} if options.effort else None,
        }
        body = dict(options.extra_body)
        body |= {"serviceTier": options.service_tier} if options.service_tier else {}
        http = {"headers": {**options.extra_headers}, "extra_body": body}
        given["http_options"] = http if options.extra_headers or body else None
        return {name: each for name, each in given.items() if each is not None}


def _open_vertex(http: Any) -> Any:
    from google.auth.exceptions import GoogleAuthError
    from google.genai import Client

    project = required("GOOGLE_CLOUD_PROJECT", "Write the id of the project with Vertex AI.")
    location = optional("GOOGLE_CLOUD_LOCATION", "global")
    http = http | {"api_version": "v1"}
    try:
        return Client(vertexai=True, project=project, location=location, http_options=http)
    except GoogleAuthError as error:
        raise Misconfigured(f"GEMINI_PLATFORM=vertex: {error}") from error


async def _dump(first: Any, rest: AsyncIterator[Any]) -> AsyncIterator[Any]:
    as_sent = {"mode": "json", "by_alias": True, "exclude_none": True, "warnings": False}
    if first is not None:
        yield first.model_dump(**as_sent)
        async for piece in rest:
            yield piece.model_dump(**as_sent)
