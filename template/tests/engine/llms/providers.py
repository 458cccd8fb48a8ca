"""What every adapter of a provider promises, tested over a real socket with a server of ours, which
has the API of the provider and behaves as badly as real servers do."""

import json
import os
import socket
import struct
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

import pytest

from agent.engine.llms.providers import Server, Stop
from agent.engine.log.errors import (
    AgentError,
    Misconfigured,
    ModelUnavailable,
    PromptTooLong,
    Unavailable,
)
from agent.engine.loop.ports import LLM
from agent.engine.options import ModelOptions

from .contract import PROMPT, SERVE, STEPS, LLMContract, say

SERVES = say(SERVE)
SCHEMA = json.dumps(STEPS.schema, separators=(",", ":"))
DATED = {"date": "Wed, 21 Oct 2026 07:28:00 GMT", "retry-after": "Wed, 21 Oct 2026 07:28:30 GMT"}


OPTIONS = ModelOptions(
    effort="low",
    max_output=500,
    temperature=0.5,
    service_tier="flex",
    cache_ttl="1h",
    extra_body={"seed": 7},
    extra_headers={"x-team": "kitchen"},
)


@dataclass(frozen=True)
class Answer:
    body: Any = None
    """JSON, or text or bytes that are sent unchanged."""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    stays_open: bool = False
    """Send the body, and then nothing more."""


HANG = Answer(status=0)
"""Accept the request and never answer."""
RESET = Answer(status=-1)
"""Accept the request and drop the connection."""


STREAM = "text/event-stream"


def write_piece(data: Any) -> str:
    """Return one event of a stream; Anthropic's have a name."""
    named = f"event: {data['type']}\n" if "type" in data else ""
    return f"{named}data: {json.dumps(data)}\n\n"


class FakeServer(ThreadingHTTPServer):
    """Gives its `answers` in turn, the last one repeatedly, and keeps the requests."""

    daemon_threads = True

    def __init__(self, answer: Answer) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers = [answer]
        self.sent: list[dict[str, Any]] = []
        self.paths: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.over = threading.Event()
        self.split: Callable[[Any], str] | None = None
        """Returns a reply as a stream, and "" for anything else."""

    def next_answer(self) -> Answer:
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


class _Handler(BaseHTTPRequestHandler):
    server: FakeServer

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.sent.append(json.loads(body))
        self.server.paths.append(self.path)
        self.server.headers.append({name.lower(): value for name, value in self.headers.items()})
        answer = self.server.next_answer()
        if answer is HANG:
            self.server.over.wait()
        elif answer is RESET:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            os.close(self.connection.detach())
        else:
            self._give(answer)

    def _give(self, answer: Answer) -> None:
        text = isinstance(answer.body, str | bytes)
        content, kind = answer.body if text else json.dumps(answer.body), "application/json"
        if self.server.split and (pieces := self.server.split(answer.body)):
            content, kind = pieces, STREAM
        self.send_response_only(answer.status)
        for name, value in {"content-type": kind, **answer.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content if isinstance(content, bytes) else content.encode())
        if answer.stays_open:
            self.server.over.wait()

    def log_message(self, *args: Any) -> None:
        """Log nothing."""


@contextmanager
def run_server(answer: Answer) -> Iterator[FakeServer]:
    with FakeServer(answer) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            server.over.set()
            server.shutdown()
            thread.join()


class ProviderContract(LLMContract):
    provider: str
    """Its name in `MODEL`, and in capitals in the names of its settings."""
    adapter: Any
    path = ""
    """The path of its base URLs."""
    no_schema: tuple[str, ...]
    """How its servers refuse a schema, with status 400."""
    too_long: str
    """How they say that a prompt is too long."""
    ladder: tuple[str, ...]
    """The formats that are tried if all are refused, the strongest first."""
    written: ClassVar[dict[str, int]] = {}
    """What it counts as written to its cache."""

    # -- the API of the provider, which the test of each adapter knows --

    def open(self, at: Server, retries: int = 0) -> AbstractAsyncContextManager[LLM]:
        """Make a model that does not load certificates."""
        raise NotImplementedError

    async def close(self, llm: Any) -> None:
        raise NotImplementedError

    def build_reply(
        self, text: str, stop: Stop = "end", thinking: str = "", usage: bool = True
    ) -> dict[str, Any]:
        """Return a reply: 1200 tokens of input, 1024 of them from a cache, and 20 of output."""
        raise NotImplementedError

    def split_reply(self, body: Any) -> str:
        """Return a reply of `build_reply` as a stream, and "" for anything else."""
        raise NotImplementedError

    def build_error(self, status: int, message: str) -> Any:
        raise NotImplementedError

    def read_request(self, body: Any) -> tuple[str, str, str]:
        """Return the system's text, the user's text and the format of a request."""
        raise NotImplementedError

    # -- the contract --

    def at(self, server: FakeServer, timeout_s: float = 5.0, silence_s: float = 5.0) -> Server:
        url = f"http://127.0.0.1:{server.server_port}{self.path}"
        at = Server(self.provider, "fake-1", url, "a-key", timeout_s, silence_s)
        return replace(at, schema_in_prompt=False)

    def setting(self, name: str) -> str:
        return f"{self.provider.upper()}_{name}"

    @pytest.fixture
    def server(self) -> Iterator[FakeServer]:
        with run_server(Answer(self.build_reply(SERVES))) as server:
            server.split = self.split_reply
            yield server

    @pytest.fixture
    async def llm(self, server: FakeServer) -> AsyncIterator[LLM]:
        async with self.open(self.at(server)) as llm:
            yield llm

    async def test_a_reply_has_its_tokens_and_its_model(self, llm: LLM) -> None:
        reply = await llm(PROMPT, STEPS.schema)

        assert reply.tokens == {"input": 1200, "output": 20, "cached": 1024, **self.written}
        assert reply.model == "fake-1-mini"

    async def test_unknown_tokens_are_left_out(self, llm: LLM, server: FakeServer) -> None:
        server.answers = [Answer(self.build_reply(SERVES, usage=False))]

        assert (await llm(PROMPT, STEPS.schema)).tokens == {}

    @pytest.mark.parametrize("stop", ["truncated", "refused"])
    @pytest.mark.parametrize("text", ['{"next_step": {', SERVES])
    async def test_a_reply_that_was_cut_or_refused_says_so(
        self, llm: LLM, server: FakeServer, text: str, stop: Stop
    ) -> None:
        server.answers = [Answer(self.build_reply(text, stop))]

        reply = await llm(PROMPT, STEPS.schema)

        assert (reply.stop, reply.text) == (stop, text)

    async def test_thinking_in_a_part_of_its_own_is_left_out(
        self, llm: LLM, server: FakeServer
    ) -> None:
        server.answers = [Answer(self.build_reply(SERVES, thinking='{"intent": "cook"}?'))]

        assert (await llm(PROMPT, STEPS.schema)).text == SERVES

    async def test_a_lone_surrogate_is_passed_on(self, llm: LLM, server: FakeServer) -> None:
        server.answers = [Answer(self.build_reply("\ud800"))]

        assert (await llm(PROMPT, STEPS.schema)).text == "\ud800"

    async def test_each_request_starts_with_the_bytes_of_the_previous_one(
        self, llm: LLM, server: FakeServer
    ) -> None:
        await llm(replace(PROMPT, blocks=PROMPT.blocks[:2]), STEPS.schema)
        await llm(PROMPT, STEPS.schema)

        first, second = (self.read_request(body)[1] for body in server.sent)
        assert second.startswith(first.removesuffix(PROMPT.ask))
        assert second == "\n\n".join([*PROMPT.blocks, PROMPT.ask])

    @pytest.mark.parametrize(
        ("status", "headers", "seconds"),
        [
            pytest.param(429, {"retry-after": "17"}, 17.0, id="429, seconds"),
            pytest.param(429, DATED, 30.0, id="429, date"),
            pytest.param(429, {}, None, id="429, no hint"),
            pytest.param(408, {}, None, id="408"),
            pytest.param(500, {}, None, id="500"),
            pytest.param(503, {"retry-after": "2"}, 2.0, id="503"),
            pytest.param(529, {}, None, id="529"),
        ],
    )
    async def test_a_busy_server_is_unavailable_for_as_long_as_it_says(
        self, llm: LLM, server: FakeServer, status: int, headers: dict[str, str], seconds: Any
    ) -> None:
        server.answers = [Answer(self.build_error(status, "too busy"), status, headers)]

        with pytest.raises(Unavailable, match="too busy") as raised:
            await llm(PROMPT, STEPS.schema)

        assert raised.value.retry_after_s == seconds
        assert str(raised.value).startswith(f"{self.provider}:fake-1 at http://127.0.0.1")
        assert len(server.sent) == 1

    @pytest.mark.parametrize(
        "answer",
        [
            pytest.param(Answer("<h1>Bad gateway</h1>", 502), id="502, a page"),
            pytest.param(Answer("<h1>Hi</h1>"), id="200, no JSON"),
            pytest.param(Answer("Hi", headers={"content-type": "text/html"}), id="200, a page"),
            pytest.param(Answer({"error": {"message": "overloaded"}}), id="200, an error"),
            pytest.param(Answer({"choices": [], "candidates": []}), id="200, no reply"),
            pytest.param(Answer({"choices": 1, "content": 2}), id="200, odd"),
            pytest.param(Answer({}), id="200, nothing"),
            pytest.param(Answer([]), id="200, a list"),
            pytest.param(RESET, id="the connection is reset"),
        ],
    )
    async def test_an_answer_that_is_not_a_reply_is_unavailable(
        self, llm: LLM, server: FakeServer, answer: Answer
    ) -> None:
        server.answers = [answer]

        with pytest.raises(Unavailable, match="fake-1 at"):
            await llm(PROMPT, STEPS.schema)

    @pytest.mark.parametrize(
        ("status", "said", "settings"),
        [
            (400, "API key not valid. Please pass a valid API key.", ["API_KEY", "BASE_URL"]),
            (401, "Incorrect API key provided", ["API_KEY", "BASE_URL"]),
            (403, "Not in your country", ["API_KEY", "BASE_URL"]),
            (404, "The model `fake-1` does not exist", ["MODEL", "BASE_URL"]),
            (422, "unprocessable", ["MODEL", "BASE_URL"]),
        ],
    )
    async def test_a_wrong_setting_is_named(
        self, llm: LLM, server: FakeServer, status: int, said: str, settings: list[str]
    ) -> None:
        server.answers = [Answer(self.build_error(status, said), status)]

        with pytest.raises(Misconfigured, match=said) as raised:
            await llm(PROMPT, STEPS.schema)

        for name in settings:
            assert (name if name == "MODEL" else self.setting(name)) in str(raised.value)

    async def test_an_error_page_is_quoted(self, llm: LLM, server: FakeServer) -> None:
        server.answers = [Answer("404 page not found", 404)]

        with pytest.raises(Misconfigured, match="404 page not found"):
            await llm(PROMPT, STEPS.schema)

    async def test_a_server_that_says_nothing_is_given_up_on(self, server: FakeServer) -> None:
        server.answers = [HANG]

        async with self.open(self.at(server, silence_s=0.05)) as llm:
            with pytest.raises(Unavailable, match="MODEL_SILENCE_S"):
                await llm(PROMPT, STEPS.schema)

        assert len(server.sent) == 1

    async def test_a_server_that_stops_in_its_reply_is_given_up_on(
        self, server: FakeServer
    ) -> None:
        for answer in (self.cut(server, stays_open=True), Answer('{"ch', stays_open=True)):
            server.answers = [answer]
            async with self.open(self.at(server, silence_s=0.2)) as llm:
                with pytest.raises(Unavailable, match="MODEL_SILENCE_S"):
                    await llm(PROMPT, STEPS.schema)

    async def test_a_reply_that_takes_too_long_in_all_is_given_up_on(
        self, server: FakeServer
    ) -> None:
        server.answers = [self.cut(server, stays_open=True)]

        async with self.open(self.at(server, timeout_s=0.2)) as llm:
            with pytest.raises(Unavailable, match=r"within 0\.2 s\. .*MODEL_TIMEOUT_S"):
                await llm(PROMPT, STEPS.schema)

    async def test_a_stream_that_ends_early_is_not_a_reply(
        self, llm: LLM, server: FakeServer
    ) -> None:
        for answer in (self.cut(server), Answer("", headers={"content-type": STREAM})):
            server.answers = [answer]
            with pytest.raises(Unavailable, match="the stream ended before the reply"):
                await llm(PROMPT, STEPS.schema)

        assert len(server.sent) == 2

    @pytest.mark.parametrize("kind", [Unavailable, PromptTooLong])
    async def test_an_error_in_a_stream_means_what_it_says(
        self, llm: LLM, server: FakeServer, kind: type[Exception]
    ) -> None:
        said = self.too_long if kind is PromptTooLong else "Overloaded"
        begun = self.cut(server)
        error = write_piece(self.build_error(529, said))
        server.answers = [replace(begun, body=begun.body + error)]

        with pytest.raises(kind, match=said):
            await llm(PROMPT, STEPS.schema)

    async def test_a_server_that_does_not_stream_is_understood(
        self, llm: LLM, server: FakeServer
    ) -> None:
        server.split = None

        reply = await llm(PROMPT, STEPS.schema)

        assert (reply.text, reply.stop, reply.model) == (SERVES, "end", "fake-1-mini")
        assert reply.tokens["output"] == 20

    def cut(self, server: FakeServer, *, stays_open: bool = False) -> Answer:
        """Return the first piece of a reply."""
        first = self.split_reply(self.build_reply(SERVES)).split("\n\n")[0]
        return Answer(f"{first}\n\n", headers={"content-type": STREAM}, stays_open=stays_open)

    async def test_a_server_that_does_not_run_is_unavailable(self) -> None:
        with run_server(Answer()) as gone:
            at = self.at(gone)
        async with self.open(at) as llm:
            with pytest.raises(Unavailable, match=rf"attempts failed.*{self.setting('BASE_URL')}"):
                await llm(PROMPT, STEPS.schema)

    async def test_a_lost_connection_is_opened_again(
        self, llm: LLM, server: FakeServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("agent.engine.llms.providers.PAUSES_S", (0.0, 0.0))
        server.answers = [RESET, RESET, *server.answers]

        assert (await llm(PROMPT, STEPS.schema)).text == SERVES
        assert len(server.sent) == 3

    async def test_a_provider_that_asks_to_wait_is_asked_once(
        self, llm: LLM, server: FakeServer
    ) -> None:
        """The runner waits, and its slot is free meanwhile."""
        server.answers = [Answer(self.build_error(503, "busy"), 503, {"retry-after": "1800"})]

        with pytest.raises(ModelUnavailable) as raised:
            await llm(PROMPT, STEPS.schema)

        assert (raised.value.retry_after_s, len(server.sent)) == (1800.0, 1)
        assert str(raised.value).endswith("is unavailable (503: busy). It asks to wait 1800 s.")

    async def test_a_model_that_is_not_shown_the_schema_reads_it(self, server: FakeServer) -> None:
        async with self.open(replace(self.at(server), schema_in_prompt=True)) as llm:
            await llm(PROMPT, STEPS.schema)

        system, _, form = self.read_request(server.sent[0])
        assert form == "json schema"
        assert system.startswith("You cook.\n\nAnswer with one JSON")
        assert system.endswith(SCHEMA)

    async def test_what_is_shown_is_what_is_sent(self, server: FakeServer) -> None:
        for shown_there in (True, False):
            async with self.open(replace(self.at(server), schema_in_prompt=shown_there)) as llm:
                shown = llm.complete(PROMPT, STEPS.schema)  # type: ignore[attr-defined]
                await llm(PROMPT, STEPS.schema)
            assert self.read_request(server.sent[-1])[0] == shown.system

    @pytest.mark.parametrize("given", [{"BASE_URL": "{}/"}, {"SCHEMA_IN_PROMPT": "no"}])
    async def test_a_server_of_your_own_is_told_the_schema_unless_a_setting_says_otherwise(
        self, server: FakeServer, settings: pytest.MonkeyPatch, given: dict[str, str]
    ) -> None:
        settings.setenv(self.setting("BASE_URL"), self.at(server).url)
        for name, value in given.items():
            settings.setenv(self.setting(name), value.format(self.at(server).url))

        at = self.adapter.from_env("fake-1")._server

        assert (at.own, at.schema_in_prompt) == (False, "SCHEMA_IN_PROMPT" not in given)
        assert at.url == self.at(server).url

    async def test_the_provider_itself_is_known_with_a_slash_at_the_end(
        self, settings: pytest.MonkeyPatch
    ) -> None:
        settings.setenv(self.setting("API_KEY"), "a-secret")
        home = self.adapter.from_env("fake-1")._server.url
        settings.setenv(self.setting("BASE_URL"), f"{home}/")

        at = self.adapter.from_env("fake-1")._server

        assert (at.url, at.own, at.schema_in_prompt) == (home, True, False)

    async def test_a_refused_schema_moves_into_the_prompt_for_good(
        self, server: FakeServer
    ) -> None:
        for said in self.no_schema:
            server.sent.clear()
            no = Answer(self.build_error(400, said), 400)
            server.answers = [no, Answer(self.build_reply(f"Sure!\n```json\n{SERVES}\n```"))]
            async with self.open(self.at(server)) as llm:
                reply = await llm(PROMPT, STEPS.schema)
                await llm(PROMPT, STEPS.schema)

            assert STEPS.read(reply.text) == SERVE
            systems, _, forms = zip(*(self.read_request(body) for body in server.sent), strict=True)
            assert list(forms) == ["json schema", self.ladder[1], self.ladder[1]]
            assert systems[0] == "You cook."
            assert systems[1].startswith("You cook.\n\nAnswer with one JSON")
            assert systems[1].endswith(SCHEMA)

    async def test_if_every_format_is_refused_another_model_is_recommended(
        self, llm: LLM, server: FakeServer
    ) -> None:
        server.answers = [Answer(self.build_error(400, self.no_schema[0]), 400)]

        with pytest.raises(Misconfigured, match="Try another MODEL"):
            await llm(PROMPT, STEPS.schema)

        assert tuple(self.read_request(body)[2] for body in server.sent) == self.ladder

    async def test_a_schema_that_is_ignored_twice_is_in_the_prompt_next_time(
        self, llm: LLM, server: FakeServer
    ) -> None:
        server.answers = [Answer(self.build_reply(f"I would say {SERVES}, it's best."))]

        replies = [await llm(PROMPT, STEPS.schema) for _ in range(3)]

        assert STEPS.read(replies[0].text) == SERVE
        assert [self.read_request(body)[0].endswith(SCHEMA) for body in server.sent] == [
            False, False, True,
        ]  # fmt: skip

    @pytest.fixture
    def settings(self, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
        """Return the environment with no settings."""
        for name in ("API_KEY", "BASE_URL", "SCHEMA_IN_PROMPT", "PLATFORM"):
            monkeypatch.delenv(self.setting(name), raising=False)
        for name in ("MODEL_TIMEOUT_S", "MODEL_SILENCE_S"):
            monkeypatch.delenv(name, raising=False)
        return monkeypatch

    async def test_a_server_of_your_own_needs_no_key(
        self, server: FakeServer, settings: pytest.MonkeyPatch
    ) -> None:
        settings.setenv(self.setting("BASE_URL"), self.at(server).url)

        llm = self.adapter.from_env("fake-1")
        reply = await llm(PROMPT, STEPS.schema)
        await self.close(llm)

        assert STEPS.read(reply.text) == SERVE

    @pytest.mark.parametrize(
        ("given", "problem"),
        [
            ({}, r"\w+_API_KEY is not set. .*_BASE_URL"),
            ({"API_KEY": " "}, "API_KEY is not set"),
            ({"BASE_URL": "localhost:8080/v1"}, "_BASE_URL must start with http://"),
            ({"API_KEY": "k", "SCHEMA_IN_PROMPT": "maybe"}, "SCHEMA_IN_PROMPT='maybe' is not"),
            ({"API_KEY": "k", "MODEL_TIMEOUT_S": "soon"}, "MODEL_TIMEOUT_S='soon'"),
            ({"API_KEY": "k", "MODEL_TIMEOUT_S": "0"}, "MODEL_TIMEOUT_S='0'"),
            ({"API_KEY": "k", "MODEL_TIMEOUT_S": "inf"}, "MODEL_TIMEOUT_S='inf'"),
            ({"API_KEY": "k", "MODEL_SILENCE_S": "-1"}, "MODEL_SILENCE_S='-1'"),
        ],
    )
    def test_a_missing_or_wrong_setting_is_named_at_once(
        self, settings: pytest.MonkeyPatch, given: dict[str, str], problem: str
    ) -> None:
        for name, value in given.items():
            settings.setenv(name if name.startswith("MODEL") else self.setting(name), value)

        with pytest.raises(Misconfigured, match=problem):
            self.adapter.from_env("fake-1")

    def test_a_model_has_to_be_named(self) -> None:
        with pytest.raises(AgentError, match=f"MODEL={self.provider}:<model>"):
            self.adapter.from_env("")

    async def test_an_empty_base_url_means_the_providers_own(
        self, settings: pytest.MonkeyPatch
    ) -> None:
        settings.setenv(self.setting("BASE_URL"), "")
        settings.setenv(self.setting("API_KEY"), "a-secret")

        llm = self.adapter.from_env("fake-1")
        await self.close(llm)

        assert llm._server.url.startswith("https://")
        assert "a-secret" not in repr(llm._server)
