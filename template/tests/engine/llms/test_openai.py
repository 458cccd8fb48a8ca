"""OpenAI's API, and the many servers that more or less have the same."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from openai import AsyncOpenAI, DefaultAsyncHttpxClient

from agent.engine.llms.openai import MARK, ROUTER_MARK, OpenaiLLM, choose_mark
from agent.engine.llms.providers import Server, Stop
from agent.engine.log.errors import Misconfigured

from .contract import PROMPT, SERVE, STEPS, say
from .providers import OPTIONS, SERVES, Answer, FakeServer, ProviderContract, write_piece

USER = """\
<user_message>
 from: ana
 text: soup, please
</user_message>

<search>
 intent: search
 title: soup
</search>

<search_result>
 - leek soup
 - pea soup
</search_result>

What is the next step?"""

FINISH = {"end": "stop", "truncated": "length", "refused": "content_filter"}
FORMS = {"json_schema": "json schema", "json_object": "json mode", None: "words"}


def build_completion(content: Any = SERVES, finish: str = "stop", **message: Any) -> dict[str, Any]:
    said = {"role": "assistant", "content": content, "refusal": None, **message}
    choice = {"index": 0, "finish_reason": finish, "logprobs": None, "message": said}
    return {"id": "c-1", "object": "chat.completion", "model": "fake-1-mini", "choices": [choice]}


class TestOpenai(ProviderContract):
    provider = "openai"
    adapter = OpenaiLLM
    path = "/v1"
    no_schema = (
        "Invalid parameter: 'response_format' of type 'json_schema' is not supported",
        "[{'loc': ('body', 'response_format', 'type'), 'msg': 'Input should be'}]",
        "'response_format.type' must be 'json_object' or 'text'",
        "This model does not support response format `json_schema`.",
    )
    ladder = ("json schema", "json mode", "words")
    too_long = "maximum context length"

    @asynccontextmanager
    async def open(self, at: Server, retries: int = 0) -> AsyncIterator[OpenaiLLM]:
        async with AsyncOpenAI(
            api_key=at.key,
            base_url=at.url,
            timeout=at.silence_s,
            max_retries=retries,
            http_client=DefaultAsyncHttpxClient(verify=False, trust_env=False),
        ) as client:
            yield OpenaiLLM(client, at)

    async def close(self, llm: Any) -> None:
        await llm._client.close()

    def build_reply(
        self, text: str, stop: Stop = "end", thinking: str = "", usage: bool = True
    ) -> dict[str, Any]:
        thought = {"type": "thinking", "thinking": [{"type": "text", "text": thinking}]}
        reason = {"type": "reasoning", "text": thinking}
        content = [thought, reason, {"type": "text", "text": text}] if thinking else text
        counts = {"prompt_tokens": 1200, "completion_tokens": 20, "total_tokens": 1220}
        counted = {"usage": {**counts, "prompt_tokens_details": {"cached_tokens": 1024}}}
        return build_completion(content, FINISH[stop]) | (counted if usage else {"usage": None})

    def split_reply(self, body: Any) -> str:
        match body:
            case {"choices": [{"message": dict(said), "finish_reason": reason}]}:
                heads = {name: body[name] for name in ("id", "model")}
                content = said["content"]
                cuts = [content[:9], content[9:]] if isinstance(content, str) else [content]
                deltas = [{"role": "assistant", "content": ""}, *({"content": cut} for cut in cuts)]
                deltas += [{"refusal": said["refusal"]}]
                ends: list[Any] = [{"delta": {}, "finish_reason": reason}]
                pieces = [{"delta": delta, "finish_reason": None} for delta in deltas] + ends
                usage = {"choices": [], "usage": body.get("usage"), **heads}
                whole = [*({"choices": [{"index": 0, **each}], **heads} for each in pieces), usage]
                return "".join(map(write_piece, whole)) + "data: [DONE]\n\n"
        return ""

    def build_error(self, status: int, message: str) -> Any:
        return {"error": {"message": message, "type": "error", "param": None, "code": None}}

    def read_request(self, body: Any) -> tuple[str, str, str]:
        system, user = (turn["content"] for turn in body["messages"])
        return system, user, FORMS[body.get("response_format", {}).get("type")]

    async def test_the_request_is_unchanged(self, llm: OpenaiLLM, server: FakeServer) -> None:
        await llm(PROMPT, STEPS.schema)

        named = {"name": "next_step", "strict": True, "schema": STEPS.schema}
        expected = {
            "messages": [
                {"role": "system", "content": "You cook."},
                {"role": "user", "content": USER},
            ],
            "model": "fake-1",
            "response_format": {"type": "json_schema", "json_schema": named},
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        assert json.dumps(dict(sorted(server.sent[0].items()))) == json.dumps(expected)
        assert server.paths == ["/v1/chat/completions"]
        assert server.headers[0]["authorization"] == "Bearer a-key"

    async def test_openai_itself_gets_cache_marks(self, server: FakeServer) -> None:
        async with self.open(replace(self.at(server), own=True)) as llm:
            await llm(PROMPT, STEPS.schema)

        mark = {"prompt_cache_breakpoint": {"mode": "explicit"}}
        first, seen, last = (f"{block}\n\n" for block in PROMPT.blocks)
        assert server.sent[0]["prompt_cache_options"] == {"mode": "explicit"}
        assert server.sent[0]["response_format"]["type"] == "json_schema"
        assert [turn["content"] for turn in server.sent[0]["messages"]] == [
            [{"type": "text", "text": "You cook.", **mark}],
            [
                {"type": "text", "text": first},
                {"type": "text", "text": seen, **mark},
                {"type": "text", "text": last, **mark},
                {"type": "text", "text": "What is the next step?"},
            ],
        ]

    async def test_a_model_too_old_for_marks_is_asked_without_them(
        self, server: FakeServer
    ) -> None:
        said = "Unsupported parameter: 'prompt_cache_options' is not supported with this model."
        server.answers = [Answer(self.build_error(400, said), 400), *server.answers]

        async with self.open(replace(self.at(server), own=True)) as llm:
            reply = await llm(PROMPT, STEPS.schema)

        assert reply.text == SERVES
        assert self.read_request(server.sent[1]) == ("You cook.", USER, "json schema")

    async def test_a_server_that_does_not_know_stream_options_is_asked_without(
        self, llm: OpenaiLLM, server: FakeServer
    ) -> None:
        """Mistral's, for one: it counts tokens anyway."""
        where = ["body", "stream_options"]
        no = {"detail": [{"type": "extra_forbidden", "loc": where, "msg": "Extra inputs"}]}
        server.answers = [Answer(no, 422), *server.answers]

        replies = [await llm(PROMPT, STEPS.schema) for _ in range(2)]

        assert [reply.text for reply in replies] == [SERVES, SERVES]
        assert ["stream_options" in body for body in server.sent] == [True, False, False]
        assert all(body["stream"] for body in server.sent)

    @pytest.mark.parametrize(
        ("usage", "tokens"),
        [
            ({"prompt_tokens": 3, "completion_tokens": 0}, {"input": 3, "output": 0}),
            ({"prompt_tokens": 3, "prompt_tokens_details": None}, {"input": 3}),
        ],
    )
    async def test_some_of_the_tokens_may_be_missing(
        self, llm: OpenaiLLM, server: FakeServer, usage: Any, tokens: dict[str, int]
    ) -> None:
        server.answers = [Answer({**build_completion(), "usage": usage})]

        assert (await llm(PROMPT, STEPS.schema)).tokens == tokens

    @pytest.mark.parametrize(
        ("said", "stop", "text"),
        [
            (build_completion(None, refusal="I won't."), "refused", "I won't."),
            (build_completion("", "error"), "truncated", ""),
            (build_completion(None), "end", ""),
            ({"choices": [{"message": {"content": say(SERVE)}}]}, "end", say(SERVE)),
        ],
    )
    async def test_incomplete_and_unusual_answers_are_understood(
        self, llm: OpenaiLLM, server: FakeServer, said: Any, stop: str, text: str
    ) -> None:
        server.answers = [Answer(said)]

        reply = await llm(PROMPT, STEPS.schema)

        assert (reply.stop, reply.text) == (stop, text)
        assert reply.model

    @pytest.mark.parametrize("own", [True, False])
    async def test_options_are_sent_by_their_names_here(
        self, server: FakeServer, own: bool
    ) -> None:
        at = replace(self.at(server), own=own, options=OPTIONS)
        async with self.open(at) as llm:
            await llm(replace(PROMPT, thread_id="thread-1"), STEPS.schema)

        body = server.sent[0]
        limit = "max_completion_tokens" if own else "max_tokens"
        assert body[limit] == 500
        assert (body["reasoning_effort"], body["temperature"]) == ("low", 0.5)
        assert (body["service_tier"], body["seed"]) == ("flex", 7)
        assert body.get("prompt_cache_key") == ("thread-1" if own else None)
        assert server.headers[0]["x-team"] == "kitchen"

    @pytest.mark.parametrize(
        ("url", "mark"),
        [
            ("https://kitchen.openai.azure.com/openai/v1", MARK),
            ("https://openrouter.ai/api/v1", ROUTER_MARK),
            ("https://notopenrouter.ai/v1", {}),
            ("http://localhost:11434/v1", {}),
        ],
    )
    def test_marks_go_where_they_are_taken(
        self, server: FakeServer, url: str, mark: dict[str, Any]
    ) -> None:
        assert choose_mark(replace(self.at(server), url=url)) == mark

    async def test_azure_is_signed_in_to_with_a_token_of_entra(
        self, server: FakeServer, settings: pytest.MonkeyPatch
    ) -> None:
        async def get_token() -> str:
            return "a-token"

        settings.setattr("agent.engine.llms.platforms.find_spec", lambda _: True)
        settings.setattr("agent.engine.llms.openai.make_azure_key", lambda: get_token)
        settings.setenv("OPENAI_PLATFORM", "azure")
        settings.setenv("OPENAI_BASE_URL", self.at(server).url)

        llm = OpenaiLLM.from_env("fake-1", OPTIONS)
        settings.setattr("agent.engine.llms.providers.list_errors", lambda *_: ())
        reply = await llm(PROMPT, STEPS.schema)
        await self.close(llm)

        assert reply.text == SERVES
        assert server.headers[0]["authorization"] == "Bearer a-token"
        assert server.sent[0]["max_completion_tokens"] == 500
        assert server.sent[0]["prompt_cache_options"] == {"mode": "explicit"}

    def test_azure_needs_a_base_url(self, settings: pytest.MonkeyPatch) -> None:
        settings.setattr("agent.engine.llms.platforms.find_spec", lambda _: True)
        settings.setenv("OPENAI_PLATFORM", "azure")

        with pytest.raises(Misconfigured, match=r"OPENAI_BASE_URL is not set\. Write https://<res"):
            OpenaiLLM.from_env("fake-1")
