"""The OpenAI wire, over real sockets, against a server that behaves as badly as real ones do."""

import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from typing import Any

import pytest
from openai import AsyncOpenAI, DefaultAsyncHttpxClient

from agent.errors import AgentError, Misconfigured, Unavailable
from agent.llms.openai import OPENAI, OpenaiLLM

from .contract import PROMPT, SERVE, STEPS, LLMContract, say
from .openai_server import HANG, Answer, OpenaiServer, completion, openai_server, refusal

USER = """\
<user_message>
    from: "ana"
    text: "soup, please"
</user_message>

<search>
    intent: "search"
    title: "soup"
</search>

<search_result>
    - "leek soup"
    - "pea soup"
</search_result>

What is the next step?"""


@pytest.fixture
def server() -> Iterator[OpenaiServer]:
    with openai_server() as server:
        yield server


@pytest.fixture
async def client(server: OpenaiServer) -> AsyncIterator[AsyncOpenAI]:
    async with _client(server.url) as client:
        yield client


def _client(url: str) -> AsyncOpenAI:
    plain = DefaultAsyncHttpxClient(verify=False, trust_env=False)  # certificates take 50 ms
    return AsyncOpenAI(api_key="sk-test", base_url=url, max_retries=0, http_client=plain)


@pytest.fixture
def llm(client: AsyncOpenAI) -> OpenaiLLM:
    return OpenaiLLM(client, "fake-1")


class TestContract(LLMContract):
    @pytest.fixture
    def llm(self, client: AsyncOpenAI) -> OpenaiLLM:
        return OpenaiLLM(client, "fake-1")


async def test_the_request_is_what_it_was(llm: OpenaiLLM, server: OpenaiServer) -> None:
    await llm(PROMPT, STEPS.schema)

    named = {"name": "next_step", "strict": True, "schema": STEPS.schema}
    expected = {
        "messages": [
            {"role": "system", "content": "You cook."},
            {"role": "user", "content": USER},
        ],
        "model": "fake-1",
        "response_format": {"type": "json_schema", "json_schema": named},
    }
    assert json.dumps(dict(sorted(server.sent[0].items()))) == json.dumps(expected)
    assert server.paths == ["/v1/chat/completions"]
    assert server.keys == ["Bearer sk-test"]


async def test_the_next_request_begins_with_the_bytes_of_the_one_before(
    llm: OpenaiLLM, server: OpenaiServer
) -> None:
    await llm(replace(PROMPT, blocks=PROMPT.blocks[:2]), STEPS.schema)
    await llm(PROMPT, STEPS.schema)

    first, second = (sent["messages"][1]["content"] for sent in server.sent)
    assert second.startswith(first.removesuffix(PROMPT.ask))


async def test_a_reply_tells_its_tokens_and_its_model(llm: OpenaiLLM) -> None:
    reply = await llm(PROMPT, STEPS.schema)

    assert reply.tokens == {"input": 1200, "output": 20, "cached": 1024}
    assert reply.model == "fake-1-mini"


@pytest.mark.parametrize(
    ("usage", "tokens"),
    [
        (None, {}),
        ({"prompt_tokens": 3, "completion_tokens": 0}, {"input": 3, "output": 0}),
        ({"prompt_tokens": 3, "prompt_tokens_details": None}, {"input": 3}),
    ],
)
async def test_tokens_that_are_not_told_are_left_out(
    llm: OpenaiLLM, server: OpenaiServer, usage: Any, tokens: dict[str, int]
) -> None:
    server.answers = [completion(usage=usage)]

    assert (await llm(PROMPT, STEPS.schema)).tokens == tokens


@pytest.mark.parametrize(
    ("answer", "stop", "text"),
    [
        pytest.param(
            completion('{"next_step": {', finish="length"), "truncated", '{"next_step": {'
        ),
        pytest.param(completion(say(SERVE), finish="length"), "truncated", say(SERVE)),
        pytest.param(completion(None, refusal="I won't."), "refused", "I won't."),
        pytest.param(completion("", finish="content_filter"), "refused", ""),
        pytest.param(completion("", finish="error"), "truncated", ""),
        pytest.param(completion(None), "end", ""),
    ],
)
async def test_a_reply_that_was_cut_or_refused_says_so(
    llm: OpenaiLLM, server: OpenaiServer, answer: Answer, stop: str, text: str
) -> None:
    server.answers = [answer]

    reply = await llm(PROMPT, STEPS.schema)

    assert (reply.stop, reply.text) == (stop, text)


async def test_thinking_in_a_part_of_its_own_is_left_out(
    llm: OpenaiLLM, server: OpenaiServer
) -> None:
    thinking = {"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]}
    server.answers = [completion([thinking, {"type": "text", "text": say(SERVE)}])]

    assert (await llm(PROMPT, STEPS.schema)).text == say(SERVE)


async def test_a_server_that_tells_little_is_understood(
    llm: OpenaiLLM, server: OpenaiServer
) -> None:
    server.answers = [Answer({"choices": [{"message": {"content": say(SERVE)}}]})]

    reply = await llm(PROMPT, STEPS.schema)

    assert (STEPS.read(reply.text), reply.stop, reply.tokens) == (SERVE, "end", {})


DATED = {"date": "Wed, 21 Oct 2026 07:28:00 GMT", "retry_after": "Wed, 21 Oct 2026 07:28:30 GMT"}


@pytest.mark.parametrize(
    ("answer", "seconds"),
    [
        pytest.param(refusal(429, "slow down", retry_after="17"), 17.0, id="429, seconds"),
        pytest.param(refusal(429, "slow down", **DATED), 30.0, id="429, date"),
        pytest.param(refusal(429, "slow down"), None, id="429, no hint"),
        pytest.param(refusal(429, "no grammar, no room"), None, id="429 is never about a format"),
        pytest.param(refusal(500, "oops"), None, id="500"),
        pytest.param(refusal(503, "busy", retry_after="2"), 2.0, id="503"),
        pytest.param(Answer("<h1>Bad gateway</h1>", 502), None, id="502, a page"),
        pytest.param(Answer("<h1>Hi</h1>"), None, id="200, no JSON"),
        pytest.param(Answer("Hi", headers={"content-type": "text/html"}), None, id="200, a page"),
        pytest.param(Answer({"error": {"message": "overloaded"}}), None, id="200, an error"),
        pytest.param(Answer({"choices": []}), None, id="200, no choices"),
    ],
)
async def test_a_server_that_cannot_now_is_unavailable_as_long_as_it_says(
    llm: OpenaiLLM, server: OpenaiServer, answer: Answer, seconds: float | None
) -> None:
    server.answers = [answer]

    with pytest.raises(Unavailable) as raised:
        await llm(PROMPT, STEPS.schema)

    assert raised.value.retry_after_s == seconds
    assert str(raised.value).startswith(f"openai:fake-1 at {server.url}")
    assert len(server.sent) == 1


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (
            refusal(401, "Incorrect API key provided"),
            ["Incorrect", "OPENAI_API_KEY"],
        ),
        (refusal(403, "Not in your country"), ["Not in your country", "OPENAI_API_KEY"]),
        (refusal(404, "The model `fake-1` does not exist"), ["does not exist", "MODEL"]),
        (Answer("404 page not found", 404), ["404 page not found", "OPENAI_BASE_URL"]),
        (refusal(400, "maximum context length is 8192"), ["8192", "MODEL"]),
    ],
)
async def test_a_wrong_setting_is_named(
    llm: OpenaiLLM, server: OpenaiServer, answer: Answer, told: list[str]
) -> None:
    server.answers = [answer]

    with pytest.raises(Misconfigured) as raised:
        await llm(PROMPT, STEPS.schema)

    assert all(word in str(raised.value) for word in told)


async def test_a_hang_ends_after_the_timeout(client: AsyncOpenAI, server: OpenaiServer) -> None:
    server.answers = [HANG]

    with pytest.raises(Unavailable, match="MODEL_TIMEOUT_S"):
        await OpenaiLLM(client.with_options(timeout=0.05), "fake-1")(PROMPT, STEPS.schema)


async def test_a_server_that_does_not_run_is_unavailable() -> None:
    with openai_server() as gone:
        url = gone.url
    async with _client(url) as client:
        with pytest.raises(Unavailable, match=r"attempts failed.*OPENAI_BASE_URL"):
            await OpenaiLLM(client, "fake-1")(PROMPT, STEPS.schema)


async def test_a_short_trouble_is_healed_by_the_sdk(
    client: AsyncOpenAI, server: OpenaiServer
) -> None:
    server.answers = [refusal(500, "oops", retry_after_ms="1"), completion()]

    reply = await OpenaiLLM(client.with_options(max_retries=1), "fake-1")(PROMPT, STEPS.schema)

    assert reply.text == say(SERVE)


@pytest.mark.parametrize(
    "no",
    [
        refusal(400, "Invalid parameter: 'response_format' of type 'json_schema' is not supported"),
        refusal(500, "[{'loc': ('body', 'response_format', 'type'), 'msg': 'Input should be'}]"),
        Answer({"error": "'response_format.type' must be 'json_object' or 'text'"}, 400),
        refusal(422, "This model does not support response format `json_schema`."),
    ],
)
async def test_a_server_that_refuses_the_schema_is_asked_for_json_from_then_on(
    llm: OpenaiLLM, server: OpenaiServer, no: Answer
) -> None:
    server.answers = [no, completion()]

    reply = await llm(PROMPT, STEPS.schema)
    await llm(PROMPT, STEPS.schema)

    assert STEPS.read(reply.text) == SERVE
    forms = [sent.get("response_format", {}).get("type") for sent in server.sent]
    assert forms == ["json_schema", "json_object", "json_object"]
    assert "JSON" in server.sent[1]["messages"][0]["content"]
    assert json.dumps(STEPS.schema, separators=(",", ":")) in str(server.sent[1]["messages"][0])


async def test_a_server_that_refuses_every_format_is_asked_in_words(
    llm: OpenaiLLM, server: OpenaiServer
) -> None:
    no = refusal(400, "response_format is not supported")
    server.answers = [no, no, completion(f"Sure!\n```json\n{say(SERVE)}\n```")]

    reply = await llm(PROMPT, STEPS.schema)

    assert STEPS.read(reply.text) == SERVE
    assert "response_format" not in server.sent[2]


async def test_a_server_that_ignores_the_schema_is_still_read_and_told_it_next_time(
    llm: OpenaiLLM, server: OpenaiServer
) -> None:
    server.answers = [completion(f"<think>Hm.</think>I would say {say(SERVE)}, it's best.")]

    reply = await llm(PROMPT, STEPS.schema)
    await llm(PROMPT, STEPS.schema)

    assert STEPS.read(reply.text) == SERVE
    assert server.sent[1]["messages"][0]["content"].startswith("You cook.\n\nAnswer with one JSON")


class TestFromEnv:
    @pytest.fixture(autouse=True)
    def _no_settings(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "MODEL_TIMEOUT_S"):
            monkeypatch.delenv(name, raising=False)

    async def test_a_server_of_your_own_needs_no_key(
        self, server: OpenaiServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)

        llm = OpenaiLLM.from_env("fake-1")
        async with llm._client:
            reply = await llm(PROMPT, STEPS.schema)

        assert STEPS.read(reply.text) == SERVE

    @pytest.mark.parametrize(
        ("settings", "told"),
        [
            ({}, "OPENAI_API_KEY is not set.*OPENAI_BASE_URL"),
            ({"OPENAI_API_KEY": " "}, "OPENAI_API_KEY is not set"),
            ({"OPENAI_BASE_URL": "localhost:8080/v1"}, "OPENAI_BASE_URL='localhost.*http://"),
            ({"OPENAI_API_KEY": "k", "MODEL_TIMEOUT_S": "soon"}, "MODEL_TIMEOUT_S='soon'"),
            ({"OPENAI_API_KEY": "k", "MODEL_TIMEOUT_S": "0"}, "MODEL_TIMEOUT_S='0'"),
        ],
    )
    def test_a_missing_or_wrong_setting_is_named(
        self, settings: dict[str, str], told: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name, value in settings.items():
            monkeypatch.setenv(name, value)

        with pytest.raises(Misconfigured, match=told):
            OpenaiLLM.from_env("fake-1")

    def test_a_model_has_to_be_named(self) -> None:
        with pytest.raises(AgentError, match="MODEL=openai:<model>"):
            OpenaiLLM.from_env("")

    async def test_an_empty_address_means_openai(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("OPENAI_BASE_URL", "")
        monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
        monkeypatch.setenv("MODEL_TIMEOUT_S", "7")

        async with OpenaiLLM.from_env("fake-1")._client as client:
            assert str(client.base_url) == OPENAI + "/"
            assert client.timeout == 7.0
