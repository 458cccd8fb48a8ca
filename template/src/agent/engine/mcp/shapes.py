"""What the shapes of MCP tools are made of, and the arguments that a server gets for them."""

import json
from typing import Any

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from ..loop.steps import Step

INTENT = "intent_argument"
"""The field of an argument that the server calls `intent`, a name that every step has already."""


class Shape(BaseModel):
    """An object within the arguments of a tool."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, allow_inf_nan=False, use_attribute_docstrings=True
    )


class JsonText(str):
    """Any JSON value, written as text, because the strict modes of providers refuse free values.

    The server gets the value, not the text.
    """

    __slots__ = ()

    @property
    def value(self) -> Any:
        return _load(self)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(cls._check, core_schema.str_schema())

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return {"type": "string", "contentMediaType": "application/json"}

    @classmethod
    def _check(cls, text: str) -> "JsonText":
        try:
            _load(text)
        except (ValueError, RecursionError) as error:
            raise ValueError(f"it is not JSON text: {error}") from None
        return cls(text)


def list_arguments(step: Step) -> dict[str, Any]:
    """Return the arguments of a step as the server named them.

    What is None by default is left out, so that the server's own default holds.
    """
    arguments: dict[str, Any] = _convert(step)
    del arguments["intent"]
    if INTENT in arguments:
        arguments["intent"] = arguments.pop(INTENT)
    return arguments


def _convert(value: Any) -> Any:
    match value:
        case JsonText():
            return value.value
        case BaseModel():
            fields = type(value).model_fields.items()
            found = ((field, field.alias or name, getattr(value, name)) for name, field in fields)
            return {
                name: _convert(item)
                for field, name, item in found
                if item is not None or field.is_required()
            }
        case list():
            return [_convert(item) for item in value]
    return value


def _load(text: str) -> Any:
    def refuse(name: str) -> Any:
        raise ValueError(f"{name} is not JSON")

    return json.loads(text, parse_constant=refuse)
