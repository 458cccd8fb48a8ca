"""Factor 4: tools are just structured outputs.

One portable JSON schema goes out, one validated call comes back. Reading is strict first and
then tolerant where only one meaning is possible; a value that was cut off is never completed.
"""

import json
import re
from types import UnionType
from typing import Annotated, Any, Union, get_origin

from pydantic import Field, TypeAdapter, ValidationError

from ..log.errors import InvalidStep
from ..log.events import CallJson, cut, event
from ..loop.actions import Step
from .objects import load, objects
from .schema import intents, wrapped

_SPEAKS = re.compile("intent|next_step|arguments|parameters", re.IGNORECASE)

MAX_REPLY = 1_000_000
"""Characters of a reply; a longer one is not read."""


class JsonSteps:
    """The steps a model may take: `union` of `Step` classes, as schema and as reader."""

    def __init__(self, union: Any) -> None:
        if get_origin(union) in (Union, UnionType):
            union = Annotated[union, Field(discriminator="intent")]
        self._adapter: TypeAdapter[Step] = TypeAdapter(union)
        self.schema = wrapped(self._adapter.json_schema())
        self._intents = {name.lower(): name for name in intents(self.schema)}

    def validate(self, call: CallJson) -> Step:
        """Return the typed step of a call.

        Raises:
            InvalidStep: it is none of today's steps, or would not be written the same again.
        """
        step = self._typed(call)
        if step.model_dump(mode="json", by_alias=True) != call:
            raise InvalidStep("the call does not fit today's schema any more")
        return step

    def read(self, text: str) -> CallJson:
        """Return the one call in a model's reply.

        Every object that speaks of an intent has to be that call.

        Raises:
            InvalidStep: there is none, more than one, or one beside something unreadable.
        """
        calls: list[CallJson] = []
        for value in self._candidates(text):
            call = self._typed(value).model_dump(mode="json", by_alias=True)
            if event("step", call=call).data["call"] != call:
                raise InvalidStep("a value is too long, or holds characters that cannot be kept")
            if call not in calls:
                calls.append(call)
        if len(calls) > 1:
            raise InvalidStep("the reply holds more than one step; answer with exactly one")
        if not calls:
            known = ", ".join(self._intents.values())
            raise InvalidStep(f'the reply holds no {{"next_step": {{"intent": …}}}}, of {known}')
        return calls[0]

    def _typed(self, value: Any) -> Step:
        try:
            text = json.dumps(value)
            # Strict: true is no 1. Forbid: a misspelt optional field is not the same as none.
            return self._adapter.validate_json(text, strict=True, extra="forbid")
        except ValidationError as error:
            raise InvalidStep(_explain(error)) from None
        except (ValueError, RecursionError) as error:
            raise InvalidStep(f"the reply is not JSON: {error}") from None

    def _candidates(self, text: str) -> list[Any]:
        if len(text) > MAX_REPLY:
            raise InvalidStep(f"the reply is longer than {MAX_REPLY} characters")
        found: list[Any] = []
        try:
            for span in objects(text):
                speaks = _SPEAKS.search(span)
                try:
                    value = self._unwrapped(load(span))
                except ValueError:
                    if speaks or found:  # after a step it could be the rest of its last text
                        raise
                    continue
                found += [value] if speaks else []
        except ValueError as error:
            raise InvalidStep(f"the reply is not one JSON object: {error}") from None
        return found

    def _unwrapped(self, value: Any) -> Any:
        """Take the step out of the wrappings that models put around it."""
        while True:
            match value:
                case {"intent": str(intent)}:
                    return {**value, "intent": self._intents.get(intent.strip().lower(), intent)}
                case {"next_step": inner} | [inner]:
                    value = inner
                case {"name": str(name), "arguments": dict(arguments)} | {
                    "name": str(name),
                    "parameters": dict(arguments),
                } if "intent" not in arguments:
                    value = {"intent": name, **arguments}
                case _:
                    return value


def _explain(error: ValidationError) -> str:
    problems = [
        f"{'.'.join(str(part) for part in problem['loc'])}: {problem['msg']}"
        for problem in error.errors(include_url=False, include_input=False)
    ]
    return cut("; ".join(problems), 1000)
