"""The secrets of webhooks, several in a variable, and the ones that are refused."""

from base64 import b64encode

import pytest

from agent.engine.log.errors import Misconfigured
from agent.engine.webhook.secrets import read_secrets

KEY = bytes(range(32))
SECRET = f"whsec_{b64encode(KEY).decode()}"
OTHER = f"whsec_{b64encode(KEY[::-1]).decode().rstrip('=')}"


def test_a_variable_may_hold_several_secrets(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("S", f" {SECRET}, {OTHER} ")
    assert read_secrets("S") == [KEY, KEY[::-1]]
    monkeypatch.setenv("S", "It's a Secret to Everybody,0123456789abcdef")
    assert read_secrets("S", "github") == [b"It's a Secret to Everybody", b"0123456789abcdef"]


@pytest.mark.parametrize(
    ("scheme", "given", "problem"),
    [
        ("standard", "", "S is not set"),
        ("github", "", "S is not set"),
        ("standard", "whsec_c2hvcnQ=", "fewer than 16 bytes"),
        ("github", "short", "fewer than 16 bytes"),
        ("github", "0123456789abcdef,", "fewer than 16 bytes"),
        ("standard", "whsec_" + "c2VjcmV0!" * 8, "S is not whsec_<base64>"),
        ("standard", "whsec_größer", "S is not whsec_<base64>"),
        ("standard", "whsec_<make one with: openssl>", "S is not whsec_<base64>"),
        ("github", "<make one with: openssl rand -hex 32>", "placeholder"),
    ],
)
def test_a_weak_or_malformed_secret_is_refused(
    monkeypatch: pytest.MonkeyPatch, scheme: str, given: str, problem: str
) -> None:
    monkeypatch.setenv("S", given)
    with pytest.raises(Misconfigured, match=problem) as refused:
        read_secrets("S", "github" if scheme == "github" else "standard")
    assert "openssl rand" in str(refused.value)
    assert not given or given not in str(refused.value)
