"""Anthropic's API."""

import base64
import json
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar
from zlib import crc32

import pytest
from anthropic import AsyncAnthropic, DefaultAsyncHttpxClient

from agent.engine.llms.anthropic import AnthropicLLM
from agent.engine.llms.providers import Server, Stop
from agent.engine.log.errors import Misconfigured, ModelRefused

from .contract import PROMPT, STEPS
from .providers import OPTIONS, SERVES, Answer, FakeServer, ProviderContract, write_piece

HEADERS = b"\x0b:event-type\x07\x00\x05chunk"


def frame(data: str) -> bytes:
    """Return one message of Amazon's event stream.

    https://docs.aws.amazon.com/AmazonS3/latest/API/RESTSelectObjectAppendix.html
    """
    payload = json.dumps({"bytes": base64.b64encode(data.encode()).decode()}).encode()
    head = struct.pack(">II", 16 + len(HEADERS) + len(payload), len(HEADERS))
    body = head + struct.pack(">I", crc32(head)) + HEADERS + payload
    return body + struct.pack(">I", crc32(body))


class GoogleCredentials:
    token, expired = "a-token", False

    def refresh(self, request: Any) -> None:
        """Ask for no new token."""


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
    too_long = "prompt is too long"
    written: ClassVar[dict[str, int]] = {"cache_write": 126}

    @asynccontextmanager
    async def open(self, at: Server, retries: int = 0) -> AsyncIterator[AnthropicLLM]:
        async with AsyncAnthropic(
            api_key=at.key,
            base_url=at.url,
            timeout=at.silence_s,
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

    def split_reply(self, body: Any) -> str:
        if not (isinstance(body, dict) and isinstance(body.get("content"), list)):
            return ""
        counts = body.get("usage", {})
        early = {name: each for name, each in counts.items() if name != "output_tokens"}
        started = {**body, "content": [], "stop_reason": None, "usage": early}
        pieces: list[dict[str, Any]] = [{"type": "message_start", "message": started}]
        for index, part in enumerate(body["content"]):
            pieces += [{"type": "content_block_start", "index": index, "content_block": {}}]
            kind = part["type"]
            name = "text" if kind == "text" else "thinking"
            for cut in (part[name][:9], part[name][9:]):
                delta = {"type": f"{name}_delta", name: cut}
                pieces += [{"type": "content_block_delta", "index": index, "delta": delta}]
            pieces += [{"type": "ping"}, {"type": "content_block_stop", "index": index}]
        ended = {"stop_reason": body["stop_reason"], "stop_sequence": None}
        late = {"output_tokens": counts["output_tokens"]} if counts else {}
        pieces += [{"type": "message_delta", "delta": ended, "usage": late}]
        return "".join(map(write_piece, [*pieces, {"type": "message_stop"}]))

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
            "stream": True,
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

    @pytest.fixture
    def on_bedrock(self, server: FakeServer, settings: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
        pytest.importorskip("boto3", reason="uv add 'anthropic[bedrock]'")
        settings.setenv("ANTHROPIC_PLATFORM", "bedrock")
        settings.setenv("ANTHROPIC_BASE_URL", self.at(server).url)
        settings.setenv("AWS_REGION", "eu-central-1")
        return settings

    async def test_bedrock_is_signed_in_to_by_the_keys_of_aws(
        self, on_bedrock: pytest.MonkeyPatch, server: FakeServer
    ) -> None:
        on_bedrock.setenv("AWS_ACCESS_KEY_ID", "AKIAFAKE")
        on_bedrock.setenv("AWS_SECRET_ACCESS_KEY", "a-secret")
        pieces = self.split_reply(self.build_reply(SERVES)).split("\n\n")[:-1]
        frames = b"".join(frame(piece.partition("data: ")[2]) for piece in pieces)
        streamed = {"content-type": "application/vnd.amazon.eventstream"}
        server.answers = [Answer(frames, headers=streamed)]

        llm = AnthropicLLM.from_env("anthropic.claude-fake-v1:0")
        reply = await llm(PROMPT, STEPS.schema)
        await self.close(llm)

        assert (reply.text, reply.stop, reply.tokens["input"]) == (SERVES, "end", 1200)
        assert server.paths == ["/model/anthropic.claude-fake-v1:0/invoke-with-response-stream"]
        assert "Credential=AKIAFAKE/" in server.headers[0]["authorization"]
        assert "schema" in server.sent[0]["output_config"]["format"]

    async def test_without_credentials_of_aws_a_person_is_asked(
        self, on_bedrock: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
            on_bedrock.delenv(name, raising=False)
        on_bedrock.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
        on_bedrock.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
        on_bedrock.setenv("AWS_EC2_METADATA_DISABLED", "true")
        on_bedrock.setenv("AWS_REGION", "eu-north-1")  # boto3's session of a region is kept

        llm = AnthropicLLM.from_env("anthropic.claude-fake-v1:0")
        with pytest.raises(ModelRefused, match=r"could not sign in .* credentials of bedrock"):
            await llm(PROMPT, STEPS.schema)
        await self.close(llm)

    def test_bedrock_needs_a_region(self, on_bedrock: pytest.MonkeyPatch, tmp_path: Path) -> None:
        for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
            on_bedrock.delenv(name, raising=False)
        on_bedrock.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))

        with pytest.raises(Misconfigured, match="ANTHROPIC_PLATFORM=bedrock: No AWS region"):
            AnthropicLLM.from_env("anthropic.claude-fake-v1:0")

    async def test_vertex_is_signed_in_to_by_the_credentials_of_google(
        self, server: FakeServer, settings: pytest.MonkeyPatch
    ) -> None:
        auth = pytest.importorskip("google.auth", reason="uv add 'anthropic[vertex]'")
        settings.setattr(auth, "default", lambda *_, **__: (GoogleCredentials(), "kitchen"))
        settings.setenv("ANTHROPIC_PLATFORM", "vertex")
        settings.setenv("ANTHROPIC_BASE_URL", self.at(server).url)
        settings.setenv("CLOUD_ML_REGION", "europe-west1")
        settings.setenv("ANTHROPIC_VERTEX_PROJECT_ID", "kitchen")

        llm = AnthropicLLM.from_env("claude-fake")
        reply = await llm(PROMPT, STEPS.schema)
        await self.close(llm)

        place = "/projects/kitchen/locations/europe-west1/publishers/anthropic/models/claude-fake"
        assert reply.text == SERVES
        assert server.paths == [f"{place}:streamRawPredict"]
        assert server.headers[0]["authorization"] == "Bearer a-token"

    def test_vertex_needs_a_region(self, settings: pytest.MonkeyPatch) -> None:
        pytest.importorskip("google.auth", reason="uv add 'anthropic[vertex]'")
        settings.setenv("ANTHROPIC_PLATFORM", "vertex")
        settings.delenv("CLOUD_ML_REGION", raising=False)

        with pytest.raises(Misconfigured, match="CLOUD_ML_REGION is not set"):
            AnthropicLLM.from_env("claude-fake")
