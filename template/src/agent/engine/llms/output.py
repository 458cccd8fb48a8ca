"""Factor 4: tools are just structured outputs.

One portable JSON schema is sent, and one validated call comes back. Reading is strict first, then
tolerant if only one meaning is possible; a value that was cut off is never completed.
"""

import json
import re
from typing import Any

from pydantic import ValidationError

from ..log.errors import InvalidStep
from ..log.events import CallJson, as_json, cap_event, cut, make_event
from ..loop.steps import Step
from .comparison import has_merged_keys, sort_sets
from .objects import find_objects, load_object, load_strictly, read_exactly
from .schema import list_intents, wrap_schema
from .tolerance import respell, straighten_quotes
from .union import describe_union

_MENTIONS = re.compile("intent|next_step|arguments|parameters", re.IGNORECASE)

MAX_REPLY = 1_000_000
"""Characters of a reply; a longer one is not read."""


class JsonSteps:
    """Provides the schema of the steps that a model may take, and reads its replies.

    `union` is a union of `Step` classes, or one of them.
    """

    def __init__(self, union: Any) -> None:
        self._adapter, self.definition = describe_union(union)
        self.tagged = not {"oneOf", "anyOf"}.isdisjoint(self.definition)
        self.schema = wrap_schema(self.definition)
        exact = '"format": "decimal"' in json.dumps(self.definition)
        self._read_float = read_exactly if exact else float
        self._intents = {name.lower(): name for name in list_intents(self.schema)}

    def validate(self, call: CallJson) -> Step:
        """Return the typed step of a call, however its values are spelled.

        Raises:
            InvalidStep: it is none of the current steps, or does not keep its meaning when it is
                written and read again.
        """
        step = self._parse_step(call)
        if has_merged_keys(step, call):
            raise InvalidStep("an object has two keys that mean the same; write each key once")
        try:
            written = self.write(step)
            again = self._parse_step(written)
            same = again == step and as_json(self.write(again)) == as_json(written)
        except InvalidStep:
            raise
        except Exception as error:  # of a serializer of the owner's
            raise InvalidStep(f"it cannot be written as JSON: {_name_error(error)}") from None
        if not same:
            raise InvalidStep("a value is not the same when it is written and read again")
        return step

    def write(self, step: Step) -> CallJson:
        """Return the call of a typed step, by alias, the same in every process."""
        call: CallJson = sort_sets(step, step.model_dump(mode="json", by_alias=True))
        return call

    def read(self, text: str) -> CallJson:
        """Return the one call in a model's reply.

        Every object that mentions an intent must be that call.

        Raises:
            InvalidStep: there is none, more than one, or one next to something unreadable.
        """
        calls: list[CallJson] = []
        for value in self._find_candidates(text):
            call = self.write(self._validate_respelled(value))
            if cap_event(make_event("step", call=call)).data["call"] != call:
                raise InvalidStep("a value is too long, or has characters that cannot be stored")
            if as_json(call) not in map(as_json, calls):  # == takes True for 1
                calls.append(call)
        if len(calls) > 1:
            raise InvalidStep("the reply has more than one step; answer with exactly one")
        if not calls:
            known = ", ".join(self._intents.values())
            raise InvalidStep(
                f'the reply has no {{"next_step": {{"intent": …}}}} with one of {known}'
            )
        return calls[0]

    def _validate_respelled(self, value: Any) -> Step:
        """Validate a step, in the spelling of the schema if that is another one."""
        try:
            return self.validate(value)
        except InvalidStep:
            other = respell(value, self.schema)
            if as_json(other) == as_json(value):  # == takes 5.0 for 5
                raise
            return self.validate(other)

    def parse(self, call: CallJson) -> Step:
        """Return the typed step of a call. Raises ValidationError, or what a validator raises."""
        text = json.dumps(call)
        # strict: true is not 1. forbid: a misspelled optional field is not a missing one.
        return self._adapter.validate_json(text, strict=True, extra="forbid")

    def _parse_step(self, value: Any) -> Step:
        try:
            return self.parse(value)
        except ValidationError as error:
            raise InvalidStep(_explain(error)) from None
        except (ValueError, RecursionError) as error:
            raise InvalidStep(f"the reply is not JSON: {error}") from None
        except Exception as error:  # of a validator of the owner's
            raise InvalidStep(f"a value does not fit: {_name_error(error)}") from None

    def _find_candidates(self, text: str) -> list[Any]:
        if len(text) > MAX_REPLY:
            raise InvalidStep(f"the reply is longer than {MAX_REPLY} characters")
        found, whole = list[Any](), False
        try:
            objects, in_prose = find_objects(straighten_quotes(text))
            for span in objects:
                mentions = _MENTIONS.search(span)
                try:
                    loaded = load_object(span, self._read_float)
                    value = self._unwrap(loaded)
                except ValueError:
                    if mentions or found:  # after a step it could be part of that step
                        raise
                    continue
                found += [value] if mentions else []
                whole = whole or (isinstance(loaded, dict) and "next_step" in loaded)
        except ValueError as error:
            raise InvalidStep(f"the reply is not one JSON object: {error}") from None
        if found and in_prose and not whole:  # it may quote a step that is not its own
            raise InvalidStep('in a text only {"next_step": …} counts; answer with nothing else')
        return found

    def _unwrap(self, value: Any) -> Any:
        """Remove the wrappers that models put around a step."""
        while True:
            match value:
                case {"intent": str(intent)}:
                    return {**value, "intent": self._intents.get(intent.strip().lower(), intent)}
                case {"next_step": inner} | [inner]:
                    value = inner
                case str(text):
                    value = load_strictly(text)
                case {"name": str(), "arguments": str(text)}:
                    value = {**value, "arguments": load_strictly(text)}
                case {"name": str(name), "arguments": dict(arguments)} | {
                    "name": str(name),
                    "parameters": dict(arguments),
                } if "intent" not in arguments:
                    value = {"intent": name, **arguments}
                case _:
                    return value


def _name_error(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


def _explain(error: ValidationError) -> str:
    problems = [
        f"{'.'.join(str(part) for part in problem['loc'])}: {problem['msg']}"
        for problem in error.errors(include_url=False, include_input=False)
    ]
    return cut("; ".join(problems), 1000)
