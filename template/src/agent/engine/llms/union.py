"""Makes of an owner's union what reads a step, and the JSON schema with all rules in it."""

from collections.abc import Iterator
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import Field, PydanticUserError, TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from ..log.errors import Misconfigured
from ..loop.steps import Step

SEE = "docs/models.md lists the types that work."


class _NotJson(TypeError):
    """A type cannot be written as JSON."""


class _Schema(GenerateJsonSchema):
    """Describes decimals as text only, and leaves out no option of a union."""

    def decimal_schema(self, schema: core_schema.DecimalSchema) -> JsonSchemaValue:
        number, text = super().decimal_schema(schema)["anyOf"]
        # A JSON number would lose digits.
        return {**number, **text, "format": "decimal"}

    def handle_invalid_for_json_schema(self, schema: Any, error_info: str) -> JsonSchemaValue:
        # Pydantic's own error is caught by unions: the option would silently be missing.
        raise _NotJson(error_info)


def describe_union(union: Any) -> tuple[TypeAdapter[Step], dict[str, Any]]:
    """Return what reads the steps of a union, and their JSON schema with all rules in it.

    Raises:
        Misconfigured: a shape has no intent of its own, or a type that is not JSON.
    """
    shapes = list(_list_members(union))
    one: Any = shapes[0]
    if len(shapes) > 1:
        one = Annotated[Union[tuple(shapes)], Field(discriminator="intent")]  # noqa: UP007
    try:
        adapter: TypeAdapter[Step] = TypeAdapter(one)
        return adapter, adapter.json_schema(schema_generator=_Schema)
    except (PydanticUserError, TypeError) as error:
        raise Misconfigured(_explain(shapes, error)) from None


def _list_members(union: Any) -> Iterator[Any]:
    """Return the shapes of a union, also of one that `type NextStep = …` names."""
    if hasattr(union, "__value__"):
        yield from _list_members(union.__value__)
    elif get_origin(union) in (Union, UnionType):
        for member in get_args(union):
            yield from _list_members(member)
    else:
        yield union


def _explain(shapes: list[Any], error: Exception) -> str:
    why = str(error).splitlines()[0]
    if isinstance(error, _NotJson):
        for shape in shapes:
            for name, field in getattr(shape, "model_fields", {}).items():
                if not _is_json(field.annotation):
                    return f"{shape.__name__}.{name}: its type cannot be written as JSON. {SEE}"
        return f"a type cannot be written as JSON: {why}. {SEE}"
    need = 'Each shape needs an intent of its own: `intent: Literal["its_name"]`.'
    return f"the steps are not a union that a model can choose from: {why}. {need}"


def _is_json(annotation: Any) -> bool:
    try:
        TypeAdapter(annotation).json_schema(schema_generator=_Schema)
    except _NotJson:
        return False
    return True
