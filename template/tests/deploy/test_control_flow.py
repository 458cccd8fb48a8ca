"""The sample's policy. Yours, with the sample: replace it when you replace the tools."""

from typing import Any

import pytest

from agent.deploy.control_flow import decide, prefetch
from agent.deploy.tools import NextStep
from agent.engine import Ask, Finish, Run, Thread
from agent.engine.llms.output import JsonSteps

STEPS = JsonSteps(NextStep)
NEW = Thread("t")


def step(intent: str, **arguments: Any) -> Any:
    return STEPS.validate({"intent": intent, **arguments})


@pytest.mark.parametrize(
    ("environment", "approvers"), [("staging", ()), ("production", ("owner",))]
)
def test_only_production_needs_approval(environment: str, approvers: tuple[str, ...]) -> None:
    action = decide(step("deploy_backend", tag="v1.2.3", environment=environment), NEW)
    assert isinstance(action, Run)
    assert action.approvers == approvers
    assert action.title == ("Deploy v1.2.3 to production" if approvers else "")
    assert action.effect == "idempotent"


def test_reading_needs_no_approval() -> None:
    action = decide(step("list_git_tags"), NEW)
    assert isinstance(action, Run)
    assert (action.effect, action.approvers) == ("read", ())


def test_a_question_is_put_as_the_model_wants_it() -> None:
    choices = ["v1.2.3", "v1.2.2"]
    asked = {"question": "which?", "urgency": "high", "format": "multiple_choice"}
    action = decide(step("request_more_information", choices=choices, **asked), NEW)
    assert isinstance(action, Ask)
    assert action.question == "which?"
    assert action.choices == tuple(choices)
    assert (action.urgency, action.format) == ("high", "multiple_choice")


def test_done_is_the_end() -> None:
    assert decide(step("done_for_now", message="bye"), NEW) == Finish("bye")


def test_every_step_has_a_case() -> None:
    intents: dict[str, dict[str, Any]] = {
        "list_git_tags": {},
        "deploy_backend": {"tag": "v1", "environment": "staging"},
        "request_more_information": {
            "question": "?",
            "urgency": "low",
            "format": "free_text",
            "choices": [],
        },
        "done_for_now": {"message": "bye"},
    }
    assert len(intents) == len(NextStep.__args__)
    assert all(decide(step(intent, **arguments), NEW) for intent, arguments in intents.items())


def test_the_tags_are_known_before_the_first_decision(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.deploy.control_flow.read_tags", lambda: [{"name": "v1.2.3"}])
    assert prefetch(NEW) == {"git_tags": [{"name": "v1.2.3"}]}
