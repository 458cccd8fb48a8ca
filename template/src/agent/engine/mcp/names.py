"""Names of Python for what a server calls by names of its own."""

import keyword
import re
import unicodedata
from collections.abc import Container

from pydantic import BaseModel

MAX_NAME = 24
MAX_INTENT = 56
SERVER = re.compile(r"[a-z][a-z0-9_]*", re.ASCII)
_WIRE = re.compile(r"[\w$@./:-][\w$@./: -]{0,63}")
_TYPES = ("str", "int", "float", "bool", "list", "mcp", "l")
"""Names that a shape uses in its own annotations, and one that looks like another."""


def find_name_problem(name: str) -> str:
    """Return what is wrong with the name of a server; "" if nothing is."""
    if not SERVER.fullmatch(name) or keyword.iskeyword(name):
        return f"{name!r} is not a name of small letters, digits and _"
    return f"{name!r} has more than {MAX_NAME} characters" if len(name) > MAX_NAME else ""


def make_snake(text: str) -> str:
    """Return a text in the form `snake_case`; "" if it has no letter and no digit of ASCII."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    split = re.sub(r"([a-z0-9])([A-Z])|([A-Z])([A-Z][a-z])", r"\1\3_\2\4", plain)
    return re.sub(r"[^a-z0-9]+", "_", split.lower()).strip("_")


def make_intent(server: str, tool: str, taken: Container[str]) -> str:
    """Return the intent of a tool, which begins with the name of its server."""
    intent = f"{server}_{make_snake(tool) or 'tool'}"[:MAX_INTENT].rstrip("_")
    return make_unique(intent, taken)


def make_class(intent: str) -> str:
    return "".join(word[:1].upper() + word[1:] for word in intent.split("_"))


def make_field(name: str, taken: Container[str]) -> str:
    """Return the name of a field, which may not be one that Pydantic or Python has."""
    field = make_snake(name)[:26].rstrip("_") or "field"
    if field[0].isdigit():
        field = f"field_{field}"
    shadowed = hasattr(BaseModel, field) or keyword.iskeyword(field) or field in _TYPES
    if field.startswith("model_"):
        field = f"the_{field}"
    elif shadowed:
        field += "_"
    return make_unique(field, taken)


def is_wire_name(name: str) -> bool:
    """Say whether a model can be asked to write a name: short, and every character is seen."""
    return bool(_WIRE.fullmatch(name))


def make_unique(name: str, taken: Container[str]) -> str:
    """Return the name, with a number if it is taken."""
    number, made = 2, name
    while made in taken:
        made, number = f"{name}_{number}", number + 1
    return made
