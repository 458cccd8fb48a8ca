"""How a model is asked: from the environment, and from its agent."""

import pytest

from agent.engine.log.errors import Misconfigured
from agent.engine.options import ModelOptions


def test_without_a_setting_everything_is_left_to_the_provider(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("MODEL_OPTIONS", raising=False)
    assert ModelOptions.from_env() == ModelOptions()


def test_what_an_agent_sets_comes_before_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODEL_OPTIONS", '{"effort": "high", "max_output": 100, "temperature": 1}')
    both = ModelOptions(effort="low", temperature=0.0).over(ModelOptions.from_env())
    assert both == ModelOptions(effort="low", max_output=100, temperature=0.0)


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ("low", "not a JSON object"),
        ("[]", "not a JSON object"),
        ('{"efort": "low"}', "'efort' is not one of effort, max_output"),
        ('{"effort": "huge"}', "effort = 'huge' is not a valid value"),
        ('{"max_output": 0}', "max_output = 0 is not a valid value"),
        ('{"max_output": 1.5}', "max_output = 1.5 is not a valid value"),
        ('{"max_output": true}', "max_output = True is not a valid value"),
        ('{"temperature": -1}', "temperature = -1 is not a valid value"),
        ('{"temperature": NaN}', "temperature = nan is not a valid value"),
        ('{"timeout_s": "5"}', "timeout_s = '5' is not a valid value"),
        ('{"cache_ttl": "2h"}', "cache_ttl = '2h' is not a valid value"),
        ('{"extra_body": []}', r"extra_body = \[\] is not a valid value"),
    ],
)
def test_a_wrong_option_is_named(monkeypatch: pytest.MonkeyPatch, given: str, problem: str) -> None:
    monkeypatch.setenv("MODEL_OPTIONS", given)
    with pytest.raises(Misconfigured, match=f"MODEL_OPTIONS.*{problem}"):
        ModelOptions.from_env()


def test_a_wrong_option_of_an_agent_is_named_with_the_agent() -> None:
    with pytest.raises(Misconfigured, match="Agent 'deploy': max_output = -1"):
        ModelOptions(max_output=-1).check("Agent 'deploy'")
