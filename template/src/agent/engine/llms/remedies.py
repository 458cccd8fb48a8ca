"""Says why a field of a shape loses its value when it is written, and what to do about it."""

from typing import Any

from pydantic import BaseModel

from ..loop.steps import Step

UNCHANGED = "Let its validators and serializers keep what they made before, or use another type"


def locate(step: Step, path: tuple[Any, ...]) -> tuple[type[BaseModel], str, str]:
    """Return the model and field that a path leads to, and the path as an owner reads it."""
    value: Any = step
    model: type[BaseModel] = type(step)
    name, inside = "", list[str]()
    for part in path:
        if isinstance(value, BaseModel):
            found = _find_field(type(value), part)
            if not found:
                continue  # it names an option of a union
            model, name = type(value), found
            inside.append(found)
            value = getattr(value, found)
        elif isinstance(value, list | tuple) and isinstance(part, int):
            value = value[part]
        elif isinstance(value, dict):
            value = value.get(part)
    return model, name, ".".join(inside)


def _find_field(model: type[BaseModel], part: Any) -> str:
    """Return the name of a field or computed field that is read or written as `part`."""
    for name, field in model.model_fields.items():
        if part in (name, field.alias, field.validation_alias, field.serialization_alias):
            return name
        if part in getattr(field.validation_alias, "choices", ()):
            return name
    for name, computed in model.model_computed_fields.items():
        if part in (name, computed.alias):
            return name
    return ""


def explain_loss(model: type[BaseModel], name: str, why: str) -> tuple[str, str]:
    """Return why a field loses its value, `why` if that is all that is known, and the remedy."""
    if name in model.model_computed_fields:
        return "a computed_field is written and cannot be read", "Make it a plain @property"
    field = model.model_fields.get(name)
    if field is None:
        return why, UNCHANGED
    if field.exclude:
        return "exclude=True loses its value when the call is stored", "Remove exclude=True"
    if "pydantic.types.Secret" in repr(field.annotation):
        return (
            "a secret is written as asterisks, and the tool would get those",
            "Use str, or let the tool look the secret up",
        )
    read, written = field.validation_alias or name, field.serialization_alias or name
    choices = getattr(read, "choices", [read])
    if written not in choices:
        reading = " or ".join(map(repr, choices))
        return (
            f"it is read as {reading} and written as {written!r}",
            "Use alias=, which is for both, instead of validation_alias= or serialization_alias=",
        )
    return why, UNCHANGED
