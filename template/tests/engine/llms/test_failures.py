"""What the errors of providers mean, in the words of each."""

from typing import Any

import pytest

from agent.engine.llms.failures import Failure, Kind, name_cause, read_failure


class Response:
    def __init__(self, status: int, body: Any, headers: dict[str, str] | None = None) -> None:
        self.status_code = status
        self.headers = headers or {}
        self._body = body
        self.text = str(body)

    def json(self) -> Any:
        if isinstance(self._body, str):
            raise ValueError("not JSON")
        return self._body


class Error(Exception):
    """What the SDKs raise."""

    def __init__(self, response: Response | None, body: Any = None) -> None:
        self.response, self.body = response, body


def read(provider: str, response: Response) -> Failure:
    found = read_failure(provider, Error(response))
    assert found
    return found


LONG = (
    "This model's maximum context length is 128000 tokens. However, your messages resulted in "
    "130500 tokens (128400 in the messages, 2100 in the response_format schemas). Please reduce "
    "the length of the messages or schemas."
)
OPENAI: list[tuple[int, str, str, Kind]] = [
    (400, "context_length_exceeded", LONG, "too_long"),
    (400, "", "Your input exceeds the context window of this model.", "too_long"),
    (400, "exceed_context_size_error", "request (9000 tokens) exceeds the available context size "
     "(4096 tokens), try increasing it", "too_long"),
    (400, "BadRequestError", "The decoder prompt (length 40000) is longer than the maximum model "
     "length of 32768.", "too_long"),
    (413, "", "Request too large: tokens must be reduced in order to run successfully", "too_long"),
    (429, "tokens", "Request too large for gpt-5 on tokens per min (TPM): Limit 30000, Requested "
     "40000. The input or output tokens must be reduced in order to run successfully.", "too_long"),
    (429, "insufficient_quota", "You exceeded your current quota, please check your plan and "
     "billing details.", "quota"),
    (402, "", "Insufficient credits. Add more using https://openrouter.ai/credits", "quota"),
    (400, "unsupported_parameter", "Unsupported parameter: 'prompt_cache_options' is not "
     "supported with this model.", "marks"),
    (400, "", "Invalid schema for response_format 'next_step': In context=(), 'oneOf' is not "
     "permitted.", "format"),
    (400, "", "Invalid parameter: 'response_format' of type 'json_schema' is not supported with "
     "this model.", "format"),
    (400, "", "failed to parse grammar", "format"),
    (500, "", "Failed to initialize samplers: failed to parse grammar", "format"),
    (401, "invalid_api_key", "Incorrect API key provided: sk-abc***xyz.", "key"),
    (403, "", "Country, region, or territory not supported", "key"),
    (404, "model_not_found", "The model `gpt-9` does not exist or you have no access.", "model"),
    (400, "", "model 'llama9' not found, try pulling it first", "model"),
    (429, "rate_limit_exceeded", "Rate limit reached for gpt-5 on requests per min (RPM).", "wait"),
    (429, "", "Too many requests for this response_format, slow down.", "wait"),
    (500, "", "The server had an error while processing your request.", "wait"),
    (503, "", "Loading model", "wait"),
    (503, "", "The model `gpt-9` does not exist on this replica yet", "wait"),
    (400, "", "Invalid 'messages[1].content': string contains an invalid character.", "request"),
    (422, "", "Unprocessable", "request"),
]  # fmt: skip
ANTHROPIC: list[tuple[int, str, str, Kind]] = [
    (400, "invalid_request_error", "prompt is too long: 210343 tokens > 200000 maximum",
     "too_long"),
    (400, "invalid_request_error", "input length and `max_tokens` exceed context limit: 199000 + "
     "21333 > 200000, decrease input length or `max_tokens` and try again", "too_long"),
    (413, "request_too_large", "Request exceeds the maximum size", "too_long"),
    (400, "invalid_request_error", "Your credit balance is too low to access the Anthropic API. "
     "Please go to Plans & Billing to upgrade or purchase credits.", "quota"),
    (400, "invalid_request_error", "messages.0.content.1.cache_control: Extra inputs are not "
     "permitted", "marks"),
    (400, "invalid_request_error", "output_config.format: Extra inputs are not permitted",
     "format"),
    (400, "invalid_request_error", "The compiled grammar is too large.", "format"),
    (400, "", "Input is too long for requested model.", "too_long"),
    (400, "", "The provided model identifier is invalid.", "model"),
    (400, "", "Invocation of model ID anthropic.claude-9 with on-demand throughput isn't "
     "supported.", "model"),
    (403, "", "The security token included in the request is invalid.", "key"),
    (401, "authentication_error", "invalid x-api-key", "key"),
    (403, "permission_error", "Your API key does not have permission", "key"),
    (404, "not_found_error", "model: claude-9", "model"),
    (429, "rate_limit_error", "This request would exceed your organization's rate limit", "wait"),
    (529, "overloaded_error", "Overloaded", "wait"),
    (400, "invalid_request_error", "messages: text content blocks must be non-empty", "request"),
]  # fmt: skip
GEMINI: list[tuple[int, str, str, Kind]] = [
    (400, "INVALID_ARGUMENT", "The input token count (1200293) exceeds the maximum number of "
     "tokens allowed (1048576).", "too_long"),
    (400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key.", "key"),
    (403, "PERMISSION_DENIED", "Method doesn't allow unregistered callers", "key"),
    (429, "RESOURCE_EXHAUSTED", "You exceeded your current quota, please check your plan and "
     "billing details.", "quota"),
    (429, "RESOURCE_EXHAUSTED", "Resource has been exhausted (e.g. check quota).", "wait"),
    (400, "INVALID_ARGUMENT", "Request contains an invalid argument.", "format"),
    (400, "INVALID_ARGUMENT", "The specified schema produces a constraint that has too many "
     "states for serving.", "format"),
    (404, "NOT_FOUND", "models/gemini-9 is not found for API version v1beta", "model"),
    (503, "UNAVAILABLE", "The model is overloaded. Please try again later.", "wait"),
    (400, "FAILED_PRECONDITION", "User location is not supported for the API use.", "request"),
]  # fmt: skip
EACH = [
    (provider, *case)
    for provider, cases in (("openai", OPENAI), ("anthropic", ANTHROPIC), ("gemini", GEMINI))
    for case in cases
]


@pytest.mark.parametrize(("provider", "status", "code", "said", "kind"), EACH)
def test_an_error_is_told_by_the_words_of_its_provider(
    provider: str, status: int, code: str, said: str, kind: Kind
) -> None:
    error = {"message": said, "status" if provider == "gemini" else "code": code or None}
    for body in ({"error": error}, [{"error": error}]):
        found = read(provider, Response(status, body))
        assert (found.kind, found.said) == (kind, said)


@pytest.mark.parametrize("provider", ["openai", "anthropic", "gemini"])
@pytest.mark.parametrize(
    ("status", "kind"), [(502, "wait"), (200, "wait"), (404, "model"), (400, "request")]
)
def test_a_page_is_told_by_its_status(provider: str, status: int, kind: Kind) -> None:
    assert read(provider, Response(status, "<h1>Oh</h1>")).kind == kind


def test_the_quota_of_a_minute_is_waited_for() -> None:
    """Google's RetryInfo: https://google.aip.dev/193"""
    details = [
        {"@type": "type.googleapis.com/google.rpc.Help", "links": []},
        {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "38.5s"},
    ]
    said = "You exceeded your current quota, please check your plan and billing details."
    error = {"message": said, "status": "RESOURCE_EXHAUSTED", "details": details}
    found = read("gemini", Response(429, {"error": error}))
    assert (found.kind, found.retry_after_s) == ("wait", 38.5)


@pytest.mark.parametrize(
    "details", [None, {}, "x", [1], [{"retryDelay": 5}], [{"retryDelay": "x"}]]
)
def test_odd_details_are_ignored(details: Any) -> None:
    error = {"message": "busy", "details": details}
    assert read("gemini", Response(503, {"error": error})).retry_after_s is None


def test_a_cause_is_the_same_for_every_thread_that_has_it() -> None:
    one = Failure("request", 400, "bad input at 17 (request id req_011CbrFT)")
    other = Failure("request", 400, "bad input at 9 (request id req_999XyzAB)")
    assert name_cause(one) == name_cause(other)
    assert name_cause(Failure("key", 401, "sk-1")) == name_cause(Failure("key", 403, "sk-2"))
    assert name_cause(one) != name_cause(Failure("request", 400, "another problem"))


def test_a_long_prompt_is_not_a_refused_format() -> None:
    """Its text names the schemas that are a part of the prompt."""
    assert read("openai", Response(400, {"error": {"message": LONG}})).kind == "too_long"


def test_an_error_without_words_of_the_provider_is_not_one_of_its_failures() -> None:
    assert read_failure("openai", Error(None)) is None
    assert read_failure("openai", ValueError("no JSON")) is None


@pytest.mark.parametrize("response", [None, Response(200, "")])
def test_an_error_within_a_stream_is_read_from_its_piece(response: Response | None) -> None:
    """OpenAI's SDK keeps the error alone, Anthropic's the whole piece."""
    for body in ({"message": LONG, "code": None}, {"type": "error", "error": {"message": LONG}}):
        found = read_failure("openai", Error(response, body))
        assert found
        assert (found.kind, found.said) == ("too_long", LONG)
