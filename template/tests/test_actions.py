"""The shapes the model fills in, and the orders a policy may give."""

from typing import Literal

import pytest
from pydantic import ValidationError

from agent.actions import Ask, Options, Run, Step, Wait


class Pay(Step):
    intent: Literal["pay"]
    amount: float


@pytest.mark.parametrize(
    "said",
    [
        '{"intent": "pay", "amount": 1, "to": "eve"}',
        '{"intent": "pay", "amount": NaN}',
        '{"intent": "pay", "amount": 1e999}',
        '{"intent": "pay"}',
        '{"intent": "repay", "amount": 1}',
    ],
)
def test_a_step_is_exactly_its_fields(said: str) -> None:
    with pytest.raises(ValidationError):
        Pay.model_validate_json(said)


def test_a_step_cannot_be_changed_once_it_was_said() -> None:
    step = Pay(intent="pay", amount=1)
    with pytest.raises(ValidationError):
        step.amount = 2


def test_what_is_not_said_is_the_safe_thing() -> None:
    run = Run(lambda step, key: None)
    assert (run.effect, run.approvers, run.expires_s) == ("once", (), None)
    assert Ask("?").options == Options("medium", "free_text", ())
    assert Wait("a nap").kind == "timer"
