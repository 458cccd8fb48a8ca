"""What is refused at start; the tests of the adapters sign in."""

import pytest

from agent.engine.llms.platforms import PLATFORMS, list_errors, read_platform
from agent.engine.log.errors import Misconfigured


def test_no_platform_is_the_provider_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_PLATFORM", " ")

    assert read_platform("openai") == ""
    assert list_errors("openai", "") == ()


@pytest.mark.parametrize(("provider", "known"), PLATFORMS.items())
def test_an_unknown_platform_is_refused(
    monkeypatch: pytest.MonkeyPatch, provider: str, known: dict[str, object]
) -> None:
    monkeypatch.setenv(f"{provider.upper()}_PLATFORM", "moon")

    with pytest.raises(Misconfigured, match=f"'moon' is not one of {', '.join(known)}"):
        read_platform(provider)


def test_a_package_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_PLATFORM", "bedrock")
    monkeypatch.setattr("agent.engine.llms.platforms.find_spec", lambda _: None)

    with pytest.raises(Misconfigured, match=r"needs the package boto3\. Run `uv add 'anthropic\["):
        read_platform("anthropic")
