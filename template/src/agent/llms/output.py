"""Factor 4: tools are just structured outputs.

One portable JSON schema goes out, one validated call comes back. Reading is strict first and
then tolerant where only one meaning is possible; a value that was cut off is never completed.
"""

import ast
import json
import re
from collections.abc import Iterator
from typing import Any

from pydantic import TypeAdapter, ValidationError

from ..actions import Step
from ..errors import InvalidStep
from ..events import Call, cut

_REFUSED = frozenset(
    "title default discriminator minLength maxLength minimum maximum exclusiveMinimum "
    "exclusiveMaximum multipleOf pattern minItems maxItems uniqueItems format".split()
)
"""Keywords that one or another strict mode refuses; Pydantic still enforces them."""

MAX_REPLY = 1_000_000


class JsonSteps:
    """The steps a model may take: `union` of `Step` classes, as schema and as reader."""

    def __init__(self, union: Any) -> None:
        self._adapter: TypeAdapter[Step] = TypeAdapter(union)
        definition = portable(self._adapter.json_schema())
        definitions = definition.pop("$defs", {})
        self.schema: dict[str, Any] = {
            "type": "object",
            "properties": {"next_step": definition},
            "required": ["next_step"],
            "additionalProperties": False,
            "$defs": definitions,
        }

    def validate(self, call: Call) -> Step:
        """Return the typed step of a call.

        Raises:
            InvalidStep: it is none of today's steps, or would not be written the same again.
        """
        try:
            step = self._adapter.validate_python(call)
        except ValidationError as error:
            raise InvalidStep(_explain(error)) from None
        if step.model_dump(mode="json") != call:
            raise InvalidStep("the call does not fit today's schema any more")
        return step

    def read(self, text: str) -> Call:
        """Return the one call in a model's reply.

        Raises:
            InvalidStep: there is none, or more than one.
        """
        calls, problems = [], []
        for value in _values(text):
            try:
                step = self._adapter.validate_json(json.dumps(_unwrap(value)))
            except ValidationError as error:
                problems.append(_explain(error))
            except (TypeError, ValueError, RecursionError):
                problems.append("the reply is not JSON")
            else:
                call = step.model_dump(mode="json")
                if call not in calls:
                    calls.append(call)
        if len(calls) > 1:
            raise InvalidStep("the reply holds more than one step; answer with exactly one")
        if not calls:
            raise InvalidStep(problems[0] if problems else "the reply is not a JSON object")
        return calls[0]


def portable(schema: Any, named: bool = False) -> Any:
    """Rewrite a JSON schema into what every provider's strict mode takes.

    `named`: the keys are names of fields or models (one may be called `title`), not keywords.
    """
    if isinstance(schema, list):
        return [portable(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if named:
        return {name: portable(item) for name, item in schema.items()}
    out = {
        key: portable(item, key in ("properties", "$defs"))
        for key, item in schema.items()
        if key not in _REFUSED
    }
    if "oneOf" in out:
        out["anyOf"] = out.pop("oneOf")
    if "const" in out:
        out["enum"] = [out.pop("const")]
    if "properties" in out:
        fields = out["properties"]
        out["properties"] = {name: fields[name] for name in sorted(fields, key="intent".__ne__)}
        out |= {"required": list(out["properties"]), "additionalProperties": False}
    return out


def _explain(error: ValidationError) -> str:
    problems = [
        f"{'.'.join(str(part) for part in problem['loc'])}: {problem['msg']}"
        for problem in error.errors(include_url=False, include_input=False)
    ]
    return cut("; ".join(problems), 1000)


def _unwrap(value: Any) -> Any:
    """Take the step out of the wrappings that models put around it."""
    while True:
        match value:
            case [only]:
                value = only
            case {"next_step": inner}:
                value = inner
            case {"name": str(name), "arguments": dict(arguments)} if "intent" not in value:
                value = {"intent": name, **arguments}
            case {"intent": str(intent)}:
                return {**value, "intent": intent.strip().lower()}
            case _:
                return value


def _values(text: str) -> Iterator[Any]:
    """Yield every JSON value that stands complete in `text`, outermost only."""
    if len(text) > MAX_REPLY:
        return
    try:
        yield json.loads(text, parse_constant=_refuse)
        return
    except (ValueError, RecursionError):
        pass
    text = re.sub(r"<think(ing)?>.*?(</think(ing)?>|\Z)", "", text, flags=re.DOTALL)
    for span in _spans(text):
        for read in (_json, _json_with_trailing_commas, ast.literal_eval):
            try:
                yield read(span)
                break
            except (ValueError, SyntaxError, RecursionError, MemoryError, TypeError):
                continue


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


def _json(span: str) -> Any:
    return json.loads(span, parse_constant=_refuse)


def _json_with_trailing_commas(span: str) -> Any:
    return _json(re.sub(r'("(?:[^"\\]|\\.)*")|,(?=\s*[}\]])', r"\1", span))


def _spans(text: str) -> Iterator[str]:
    """Yield the outermost `{…}` of `text`, quotes respected; an unclosed one is no span."""
    depth, start, quote, escaped = 0, 0, "", False
    for place, char in enumerate(text):
        if quote:
            quote = "" if char == quote and not escaped else quote
            escaped = char == "\\" and not escaped
        elif char in "\"'" and depth:
            quote = char
        elif char == "{":
            start = place if depth == 0 else start
            depth += 1
        elif char == "}" and depth:
            depth -= 1
            if depth == 0:
                yield text[start : place + 1]
