"""Gemini's API."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from ssl import PROTOCOL_TLS_CLIENT, SSLContext
from typing import Any

import httpx2
import pytest
from google.auth.exceptions import DefaultCredentialsError
from google.genai import Client
from google.oauth2.credentials import Credentials

from agent.engine.llms.gemini import GeminiLLM
from agent.engine.llms.providers import Server, Stop
from agent.engine.log.errors import Misconfigured, ModelRefused

from .contract import PROMPT, STEPS
from .providers import OPTIONS, SERVES, Answer, FakeServer, ProviderContract, write_piece

PLAIN = SSLContext(PROTOCOL_TLS_CLIENT)
"""Without it the SDK loads all certificates twice for each client."""
REASONS = {"end": "STOP", "truncated": "MAX_TOKENS", "refused": "PROHIBITED_CONTENT"}


class TestGemini(ProviderContract):
    provider = "gemini"
    adapter = GeminiLLM
    no_schema = (
        "The specified schema produces a constraint that has too many states for serving.",
        "Unknown name \"responseJsonSchema\" at 'generation_config': Cannot find field.",
        "JSON mode is not enabled for models/fake-1",
    )
    ladder = ("json schema", "json mode")
    too_long = "exceeds the maximum number of tokens"

    @asynccontextmanager
    async def open(self, at: Server, retries: int = 0) -> AsyncIterator[GeminiLLM]:
        async with httpx2.AsyncClient(verify=False, trust_env=False) as plain:
            options: Any = {
                "base_url": at.url,
                "api_version": "v1beta",
                "timeout": round(at.silence_s * 1000),
                "retry_options": {"attempts": 1 + retries, "initial_delay": 0, "jitter": 0},
                "httpx_async_client": plain,
                "client_args": {"verify": PLAIN},
                "async_client_args": {"verify": PLAIN, "ssl": PLAIN},
            }
            yield GeminiLLM(Client(vertexai=False, api_key=at.key, http_options=options), at)

    async def close(self, llm: Any) -> None:
        await llm._client.aio.aclose()

    def build_reply(
        self, text: str, stop: Stop = "end", thinking: str = "", usage: bool = True
    ) -> dict[str, Any]:
        thought = [{"text": thinking, "thought": True}] if thinking else []
        counts = {
            "promptTokenCount": 1200,
            "cachedContentTokenCount": 1024,
            "candidatesTokenCount": 15,
            "thoughtsTokenCount": 5,
            "totalTokenCount": 1220,
        }
        said = {"role": "model", "parts": [*thought, {"text": text, "thoughtSignature": "c2ln"}]}
        return {
            "candidates": [{"content": said, "finishReason": REASONS[stop], "index": 0}],
            "modelVersion": "fake-1-mini",
            **({"usageMetadata": counts} if usage else {}),
        }

    def split_reply(self, body: Any) -> str:
        match body:
            case {"candidates": [{"content": {"parts": list(parts)}, "finishReason": reason}]}:
                *thoughts, said = parts
                text = said["text"]
                cuts = [*thoughts, {"text": text[:9]}, {**said, "text": text[9:]}]
                pieces = [{"candidates": [{"content": {"parts": [cut]}}]} for cut in cuts]
                pieces[-1]["candidates"][0]["finishReason"] = reason
                rest = {name: each for name, each in body.items() if name != "candidates"}
                return "".join(write_piece({**piece, **rest}) for piece in pieces)
        return ""

    def build_error(self, status: int, message: str) -> Any:
        return {"error": {"code": status, "message": message, "status": "INVALID_ARGUMENT"}}

    def read_request(self, body: Any) -> tuple[str, str, str]:
        (system,), (turn,) = body["systemInstruction"]["parts"], body["contents"]
        form = "json schema" if "responseJsonSchema" in body["generationConfig"] else "json mode"
        return system["text"], "".join(part["text"] for part in turn["parts"]), form

    async def test_the_request_is_unchanged(self, llm: GeminiLLM, server: FakeServer) -> None:
        await llm(PROMPT, STEPS.schema)

        user = "\n\n".join([*PROMPT.blocks, PROMPT.ask])
        expected = {
            "contents": [{"parts": [{"text": user}], "role": "user"}],
            "generationConfig": {
                "responseMimeType": "application/json",
                "responseJsonSchema": STEPS.schema,
            },
            "systemInstruction": {"parts": [{"text": "You cook."}], "role": "user"},
        }
        assert json.dumps(dict(sorted(server.sent[0].items()))) == json.dumps(expected)
        assert server.paths == ["/v1beta/models/fake-1:streamGenerateContent?alt=sse"]
        assert server.headers[0]["x-goog-api-key"] == "a-key"

    async def test_a_blocked_prompt_is_a_refusal(self, llm: GeminiLLM, server: FakeServer) -> None:
        server.answers = [Answer({"promptFeedback": {"blockReason": "SAFETY"}})]

        reply = await llm(PROMPT, STEPS.schema)

        assert (reply.stop, reply.text) == ("refused", "SAFETY")

    @pytest.mark.parametrize(
        ("reason", "stop"), [("SAFETY", "refused"), ("RECITATION", "refused"), ("OTHER", "refused")]
    )
    async def test_only_a_reply_that_ended_by_itself_is_complete(
        self, llm: GeminiLLM, server: FakeServer, reason: str, stop: str
    ) -> None:
        said = self.build_reply(SERVES)
        said["candidates"][0]["finishReason"] = reason
        server.answers = [Answer(said)]

        assert (await llm(PROMPT, STEPS.schema)).stop == stop

    async def test_options_are_sent_by_their_names_here(self, server: FakeServer) -> None:
        async with self.open(replace(self.at(server), options=OPTIONS)) as llm:
            await llm(PROMPT, STEPS.schema)

        body = server.sent[0]
        config = body["generationConfig"]
        assert (config["maxOutputTokens"], config["temperature"]) == (500, 0.5)
        assert config["thinkingConfig"] == {"thinking_level": "LOW"}
        assert (body["serviceTier"], body["seed"]) == ("flex", 7)
        assert server.headers[0]["x-team"] == "kitchen"

    @pytest.fixture
    def on_vertex(self, server: FakeServer, settings: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
        signed_in = (Credentials("a-token"), "kitchen")  # type: ignore[no-untyped-call]
        settings.setattr("google.auth.default", lambda *_, **__: signed_in)
        settings.setenv("GEMINI_PLATFORM", "vertex")
        settings.setenv("GEMINI_BASE_URL", self.at(server).url)
        settings.setenv("GOOGLE_CLOUD_PROJECT", "kitchen")
        settings.setenv("GOOGLE_CLOUD_LOCATION", "europe-west1")
        return settings

    async def test_vertex_is_signed_in_to_by_the_credentials_of_google(
        self, server: FakeServer, on_vertex: pytest.MonkeyPatch
    ) -> None:
        llm = GeminiLLM.from_env("fake-1")
        reply = await llm(PROMPT, STEPS.schema)
        await self.close(llm)

        place = "/v1/projects/kitchen/locations/europe-west1/publishers/google/models/fake-1"
        assert reply.text == SERVES
        assert server.paths == [f"{place}:streamGenerateContent?alt=sse"]
        assert server.headers[0]["authorization"] == "Bearer a-token"

    def test_vertex_needs_a_project(self, on_vertex: pytest.MonkeyPatch) -> None:
        on_vertex.delenv("GOOGLE_CLOUD_PROJECT")

        with pytest.raises(Misconfigured, match="GOOGLE_CLOUD_PROJECT is not set"):
            GeminiLLM.from_env("fake-1")

    async def test_without_credentials_of_google_a_person_is_asked(
        self, on_vertex: pytest.MonkeyPatch
    ) -> None:
        def fail(*_: Any, **__: Any) -> Any:
            raise DefaultCredentialsError("none")  # type: ignore[no-untyped-call]

        on_vertex.setattr("google.auth.default", fail)

        llm = GeminiLLM.from_env("fake-1")
        with pytest.raises(ModelRefused, match=r"could not sign in .* credentials of vertex"):
            await llm(PROMPT, STEPS.schema)
        await self.close(llm)
