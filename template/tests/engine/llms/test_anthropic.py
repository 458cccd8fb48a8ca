"""Anthropic's API."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, ClassVar

import pytest
from anthropic import AsyncAnthropic, DefaultAsyncHttpxClient

from agent.engine.llms.anthropic import AnthropicLLM
from agent.engine.llms.providers import Server, Stop

from .contract import PROMPT, STEPS
from .providers import OPTIONS, SERVES, Answer, FakeServer, ProviderContract

REASONS = {"end": "end_turn", "truncated": "max_tokens", "refused": "refusal"}


class TestAnthropic(ProviderContract):
    provider = "anthropic"
    adapter = AnthropicLLM
    no_schema = (
        "output_config.format: 'claude-old' does not support structured outputs.",
        "The compiled grammar is too large.",
        "output_config.format.schema: too many union types",
    )
    ladder = ("json schema", "words")
    written: ClassVar[dict[str, int]] = {"cache_write": 126}

    @asynccontextmanager
    async def open(self, at: Server, retries: int = 0) -> AsyncIterator[AnthropicLLM]:
        async with AsyncAnthropic(
            api_key=at.key,
            base_url=at.url,
            timeout=at.timeout_s,
            max_retries=retries,
            http_client=DefaultAsyncHttpxClient(verify=False, trust_env=False),
        ) as client:
            yield AnthropicLLM(client, at)

    async def close(self, llm: Any) -> None:
        await llm._client.close()

    def build_reply(
        self, text: str, stop: Stop = "end", thinking: str = "", usage: bool = True
    ) -> dict[str, Any]:
        thought = {"type": "thinking", "thinking": thinking, "signature": "s"}
        counts = {
            "input_tokens": 50,
            "cache_read_input_tokens": 1024,
            "cache_creation_input_tokens": 126,
            "cache_creation": {"ephemeral_5m_input_tokens": 126, "ephemeral_1h_input_tokens": 0},
            "output_tokens": 20,
        }
        return {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "model": "fake-1-mini",
            "content": [*([thought] if thinking else []), {"type": "text", "text": text}],
            "stop_reason": REASONS[stop],
            "stop_sequence": None,
            **({"usage": counts} if usage else {}),
        }

    def build_error(self, status: int, message: str) -> Any:
        error = {"type": "some_error", "message": message}
        return {"type": "error", "error": error, "request_id": "req_1"}

    def read_request(self, body: Any) -> tuple[str, str, str]:
        (system,), (turn,) = body["system"], body["messages"]
        form = "json schema" if "output_config" in body else "words"
        return system["text"], "".join(part["text"] for part in turn["content"]), form

    async def test_the_request_is_unchanged(self, llm: AnthropicLLM, server: FakeServer) -> None:
        await llm(PROMPT, STEPS.schema)

        mark = {"cache_control": {"type": "ephemeral"}}
        first, seen, last = (f"{block}\n\n" for block in PROMPT.blocks)
        user = [
            {"type": "text", "text": first},
            {"type": "text", "text": seen, **mark},
            {"type": "text", "text": last, **mark},
            {"type": "text", "text": "What is the next step?"},
        ]
        expected = {
            "max_tokens": 16000,
            "messages": [{"role": "user", "content": user}],
            "model": "fake-1",
            "output_config": {"format": {"type": "json_schema", "schema": STEPS.schema}},
            "system": [{"type": "text", "text": "You cook.", **mark}],
        }
        assert json.dumps(dict(sorted(server.sent[0].items()))) == json.dumps(expected)
        assert server.paths == ["/v1/messages"]
        assert "a-key" in server.headers[0]["authorization"]
        assert server.headers[0]["anthropic-version"]

    @pytest.mark.parametrize(
        ("reason", "stop"),
        [
            ("stop_sequence", "end"),
            ("model_context_window_exceeded", "truncated"),
            ("pause_turn", "truncated"),
            ("a new one", "truncated"),
        ],
    )
    async def test_only_a_reply_that_ended_by_itself_is_complete(
        self, llm: AnthropicLLM, server: FakeServer, reason: str, stop: str
    ) -> None:
        server.answers = [Answer({**self.build_reply(SERVES), "stop_reason": reason})]

        assert (await llm(PROMPT, STEPS.schema)).stop == stop

    async def test_options_are_sent_by_their_names_here(self, server: FakeServer) -> None:
        async with self.open(replace(self.at(server), options=OPTIONS)) as llm:
            await llm(PROMPT, STEPS.schema)

        body = server.sent[0]
        assert (body["max_tokens"], body["temperature"]) == (500, 0.5)
        assert (body["service_tier"], body["seed"]) == ("flex", 7)
        assert body["output_config"]["effort"] == "low"
        assert body["output_config"]["format"]["type"] == "json_schema"
        assert body["system"][0]["cache_control"] == {"type": "ephemeral", "ttl": "1h"}
        assert server.headers[0]["x-team"] == "kitchen"
