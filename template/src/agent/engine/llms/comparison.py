"""Compares a typed value with its JSON: the order of sets, and keys that became one."""

from collections import deque
from collections.abc import Mapping
from dataclasses import fields as dataclass_fields
from dataclasses import is_dataclass
from typing import Any

from pydantic import BaseModel, RootModel

from ..log.events import as_json


def sort_sets(value: Any, written: Any) -> Any:
    """Return `written`, the JSON of `value`, with the elements of sets in one order.

    What a serializer of the owner's wrote in another form than that of the value stays as it is.
    """
    if isinstance(value, RootModel):
        return sort_sets(value.root, written)
    if isinstance(value, set | frozenset | list | tuple | deque):
        if not isinstance(written, list) or len(written) != len(value):
            return written
        inner = [sort_sets(*pair) for pair in zip(value, written, strict=True)]
        return sorted(inner, key=as_json) if isinstance(value, set | frozenset) else inner
    if not isinstance(written, dict):
        return written
    if isinstance(value, dict) and len(value) == len(written):
        pairs = zip(value.values(), written.items(), strict=True)
        return {name: sort_sets(item, text) for item, (name, text) in pairs}
    by_alias = _list_fields(value)
    return {
        name: sort_sets(by_alias[name], text) if name in by_alias else text
        for name, text in written.items()
    }


def has_merged_keys(value: Any, given: Any) -> bool:
    """Say whether `value` has fewer keys than `given`, the JSON that it was read from.

    The keys "1" and "01" are one key where keys are numbers, and one of two values is lost.
    """
    if isinstance(value, RootModel):
        return has_merged_keys(value.root, given)
    match given:
        case list() if isinstance(value, list | tuple | deque):
            return any(map(has_merged_keys, value, given))
        case dict() if isinstance(value, Mapping):
            lost = len(value) < len(given)
            return lost or any(map(has_merged_keys, value.values(), given.values()))
        case dict():
            by_alias = _list_fields(value)
            known = given.keys() & by_alias.keys()
            return any(has_merged_keys(by_alias[name], given[name]) for name in known)
    return False


def _list_fields(value: Any) -> dict[str, Any]:
    """Return the fields of a model or dataclass, by the names that they are written under."""
    if isinstance(value, BaseModel):
        return {
            field.serialization_alias or field.alias or name: getattr(value, name)
            for name, field in type(value).__pydantic_fields__.items()
        }
    if is_dataclass(value):
        return {field.name: getattr(value, field.name) for field in dataclass_fields(value)}
    return {}
