"""Factor 7: contact humans with tools."""

from typing import Literal

from ..actions import Step


class RequestMoreInformation(Step):
    """Ask a person when the request is unclear, when something keeps failing, or when only a
    person can decide. Ask one question at a time."""

    intent: Literal["request_more_information"]
    question: str
    urgency: Literal["low", "medium", "high"]
    format: Literal["free_text", "yes_no", "multiple_choice"]
    choices: list[str]
    """Only for multiple_choice, else empty."""


class DoneForNow(Step):
    """Everything asked for is done, or nothing more can be done: tell the person so."""

    intent: Literal["done_for_now"]
    message: str
